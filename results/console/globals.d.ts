// The names of types that the console's modules share, for tsc: what the API answers (types.js), and what the modules have in common.
// They stand here and not in the modules because those are sent to browsers as they are.

type Ack = import("./types.js").Ack;
type Change = import("./types.js").Change;
type Detail = import("./types.js").Detail;
type Elevation = import("./types.js").Elevation;
type FleetMap = import("./types.js").FleetMap;
type Hit = import("./types.js").Hit;
type Incident = import("./types.js").Incident;
type IncidentDetail = import("./types.js").IncidentDetail;
type Me = import("./types.js").Me;
type Member = import("./types.js").Member;
type Place = import("./types.js").Place;
type Result = import("./types.js").Result;
type Silence = import("./types.js").Silence;
type Span = import("./types.js").Span;
type State = import("./types.js").State;
type Ticket = import("./types.js").Ticket;
type Step = import("./types.js").Step;

type Rack = { site: string; room: string; row: string; rack: string; from: number; to: number };
type Count = {
  total: number; failed: number; unknown: number; degraded: number; maintenance: number; available: number; none: number;
  letters: Record<string, number>;
};
type Fleet = import("./web/model.js").Fleet;
type Box = { /** in half units, from the rack's top down */ top: number; tall: number; place: Place; lane: number; lanes: number };
/** A check of a BMC that a person asked for, step by step. */
type Recheck = { asked: number; steps: Step[]; ended: boolean; wrong: string };
type Code = { code: string; glyph: string; meaning: string; shape: string; light: { fill: string; ink: string }; dark: { fill: string; ink: string }; rank: number };
type Route = { path: string; query: Record<string, string> };
type LinkState = "connecting" | "live" | "catching up" | "lost" | "refused";
type CellsEvent = { map: string; seq: number; from: number; at: string; cells: [number, string][] };
/** A column of a picture: a rack. */
type Column = { x: number; y: number; rack: Rack };
type Layout = { w: number; h: number; height: number; columns: Column[] };
/** Some of what is chosen, and the filter that finds them. */
type Part = { keys: string[]; where: string };
type Picks = ReturnType<typeof import("./web/bulk.js").picks>;
type IncidentPage = { items: Incident[]; next: string };
type Row = State & { code: string; ack: Ack | null };
type Site = ReturnType<Fleet["sites"]>[number];
type Stop = () => void;
type Watcher = { run: () => void; from: Set<Set<Watcher>>; own: Stop[]; queued: boolean };
type Plain = Node | string | number | null | undefined | false;
type Child = Plain | (() => Child) | Child[];
/** What an element is made with. Events are of whatever kind their name says. */
type Props = { [on in `on${string}`]?: (event: any) => unknown } & Record<string, any>;
