// Written by TestTheBrowsersTablesAreOurs (codes_test.go) from the tables in Go; they are the only ones.

/** what a BMC looks like in one character */
export const codes = [
  {"code":"P","glyph":"P","meaning":"unavailable: failed at ping","shape":"solid","light":{"fill":"#a30f2d","ink":"#ffffff"},"dark":{"fill":"#ff8fa3","ink":"#1b0006"},"rank":1},
  {"code":"T","glyph":"T","meaning":"unavailable: failed at tls","shape":"solid","light":{"fill":"#a30f2d","ink":"#ffffff"},"dark":{"fill":"#ff8fa3","ink":"#1b0006"},"rank":1},
  {"code":"L","glyph":"L","meaning":"unavailable: failed at a login","shape":"solid","light":{"fill":"#a30f2d","ink":"#ffffff"},"dark":{"fill":"#ff8fa3","ink":"#1b0006"},"rank":1},
  {"code":"W","glyph":"W","meaning":"unavailable: failed at power","shape":"solid","light":{"fill":"#a30f2d","ink":"#ffffff"},"dark":{"fill":"#ff8fa3","ink":"#1b0006"},"rank":1},
  {"code":"S","glyph":"S","meaning":"unknown: we are at fault, not the BMC","shape":"dashed","light":{"fill":"#ffffff","ink":"#4d545d"},"dark":{"fill":"#0e1116","ink":"#b6bdc6"},"rank":2},
  {"code":"?","glyph":"?","meaning":"unknown: nothing is heard of it","shape":"dashed","light":{"fill":"#ffffff","ink":"#4d545d"},"dark":{"fill":"#0e1116","ink":"#b6bdc6"},"rank":2},
  {"code":"!","glyph":"!","meaning":"degraded: it works, and something should be put right","shape":"border","light":{"fill":"#ffd666","ink":"#3d2e00"},"dark":{"fill":"#7a5a00","ink":"#ffefc2"},"rank":3},
  {"code":"m","glyph":"m","meaning":"maintenance: somebody works there, whatever its health","shape":"hatch","light":{"fill":"#e3ebff","ink":"#1d3a8a"},"dark":{"fill":"#1d2a4d","ink":"#c9d6ff"},"rank":4},
  {"code":".","glyph":"✓","meaning":"available","shape":"quiet","light":{"fill":"#cfe6d8","ink":"#1b4d33"},"dark":{"fill":"#1f3b2c","ink":"#bfe5cd"},"rank":5},
  {"code":"-","glyph":"-","meaning":"not monitored: no round was ever heard of","shape":"outline","light":{"fill":"#f2f3f5","ink":"#5b626c"},"dark":{"fill":"#1a1e25","ink":"#9aa3ad"},"rank":6}
];

/** what stands beside a code */
export const overlays = {"a":"acknowledged: somebody is on it","z":"silenced: kept quiet until an end","~":"flapping: its health changes too often"};

/** the chain's checks, in order */
export const checks = ["ping","tls","redfish-login","ipmi-login","power"];

/** what an incident may look like */
export const causes = ["bmc","rack","row","room","site","subnet","satellite","path","credential","firmware","issuer","keyring"];

/** whose job it may be */
export const owners = ["network","server","security","credentials","inventory","us"];

/** what people can do, as the audit calls it */
export const acts = ["ack","unack","recheck","silence","maintenance","end","sign_in","stop","go","fence_clear","inventory_sync","inventory_approve"];

/** the paths that the server answers with the page */
export const pages = ["/","/site","/rack","/bmc","/search","/incidents","/incidents/{id}","/silences","/satellites","/chain","/inventory","/audit"];
