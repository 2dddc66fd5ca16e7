package bmcsim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// object is a JSON object.
type object map[string]any

func link(uri string) object { return object{"@odata.id": uri} }

// answer writes a JSON answer.
func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("OData-Version", "4.0")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a client that hung up is no news
}

// refuse writes an error answer as DSP0266 section 8.6 has it.
func refuse(w http.ResponseWriter, status int, messageID, text string) {
	answer(w, status, object{"error": object{
		"code": messageID, "message": text,
		"@Message.ExtendedInfo": []object{{"MessageId": messageID, "Message": text}},
	}})
}

// ServeHTTP is Redfish of the BMC whose address was dialled.
func (f *Fleet) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, ok := r.Context().Value(bmcKey{}).(*conn)
	if !ok || c.bmc == nil {
		f.serveTrap(w, r)
		return
	}
	b := c.bmc
	b.count.requests.Add(1)
	f.tally(b, r)
	if spoil := spoilerOf(b.faults()); spoil != nil {
		spoil(w, r)
		return
	}
	f.route(w, r, b)
}

// route is who answers what. Only the root and the login need no token.
func (f *Fleet) route(w http.ResponseWriter, r *http.Request, b *bmc) {
	path := strings.TrimSuffix(r.URL.Path, "/")
	switch {
	case path == "/redfish" && r.Method == http.MethodGet:
		answer(w, http.StatusOK, object{"v1": "/redfish/v1/"})
	case path == "/redfish/v1" && r.Method == http.MethodGet:
		answer(w, http.StatusOK, f.root(b))
	case r.Method == http.MethodPost && (path == b.model.path || path == wellKnownSessions):
		f.logIn(w, r, b, path)
	case !b.knows(r.Header.Get("X-Auth-Token")):
		refuse(w, http.StatusUnauthorized, "Base.1.8.NoValidSession", "There is no valid session established with the implementation.")
	case r.Method == http.MethodDelete && strings.HasPrefix(path, b.model.path+"/"):
		b.logOut(w, strings.TrimPrefix(path, b.model.path+"/"), peerOf(r.RemoteAddr))
	case b.has(PasswordChange):
		refuse(w, http.StatusForbidden, "Base.1.8.PasswordChangeRequired", "The password provided for this account must be changed before access is granted.")
	case b.has(NoPrivilege):
		refuse(w, http.StatusForbidden, "Base.1.8.InsufficientPrivilege", "There are insufficient privileges for the account to perform the operation.")
	case r.Method == http.MethodPost:
		b.reset(w, r, path)
	case r.Method == http.MethodGet:
		b.get(w, path)
	default:
		refuse(w, http.StatusMethodNotAllowed, "Base.1.8.OperationNotAllowed", "Not here.")
	}
}

// root is the service root (DSP0268). Where it names the session collection depends on the model.
func (f *Fleet) root(b *bmc) object {
	root := object{
		"@odata.id": "/redfish/v1/", "@odata.type": "#ServiceRoot.v1_6_0.ServiceRoot", "Id": "RootService", "Name": "Root Service",
		"RedfishVersion": "1.8.0", "Systems": link("/redfish/v1/Systems"), "Managers": link("/redfish/v1/Managers"),
		"Chassis": link("/redfish/v1/Chassis"), "UUID": b.record.UUID, "Vendor": b.shape.vendor,
	}
	if b.shape.product != "" {
		root["Product"] = b.shape.product
	}
	switch b.model.sessions {
	case linkRoot:
		root["Links"] = object{"Sessions": link(b.model.path)}
		root["SessionService"] = link("/redfish/v1/SessionService")
	case linkService:
		root["Links"] = object{}
		root["SessionService"] = link("/redfish/v1/SessionService")
	}
	if b.has(OdataIDTrap) {
		root["Links"] = object{"Sessions": link(f.lure(b))}
	}
	return root
}

// get is everything that is read with a token.
func (b *bmc) get(w http.ResponseWriter, path string) {
	switch path {
	case "/redfish/v1/Systems":
		members := make([]object, b.systems)
		for i := range members {
			members[i] = link(b.systemURI(i))
		}
		answer(w, http.StatusOK, collection(path, "ComputerSystem", members))
	case "/redfish/v1/SessionService":
		answer(w, http.StatusOK, object{"@odata.id": path, "Id": "SessionService", "ServiceEnabled": true, "Sessions": link(b.model.path)})
	case "/redfish/v1/Managers", "/redfish/v1/Chassis", b.model.path:
		answer(w, http.StatusOK, collection(path, "Resource", []object{}))
	default:
		for i := range b.systems {
			if path == b.systemURI(i) {
				answer(w, http.StatusOK, b.system(i))
				return
			}
		}
		refuse(w, http.StatusNotFound, "Base.1.8.ResourceMissingAtURI", "The resource is missing at the URI.")
	}
}

func collection(path, of string, members []object) object {
	return object{
		"@odata.id": path, "@odata.type": fmt.Sprintf("#%sCollection.%sCollection", of, of), "Name": of + " Collection",
		"Members": members, "Members@odata.count": len(members),
	}
}

func (b *bmc) systemURI(i int) string { return "/redfish/v1/Systems/" + b.shape.system(i) }

// system is the i-th system (DSP0268 ComputerSystem). All but the first have numbers of their own.
func (b *bmc) system(i int) object {
	power := Power(b.power.Load())
	s := object{
		"@odata.id": b.systemURI(i), "@odata.type": "#ComputerSystem.v1_10_0.ComputerSystem", "Id": b.shape.system(i), "Name": "System",
		"SystemType": "Physical", "Manufacturer": b.shape.manufacturer, "Model": b.model.name, "SerialNumber": b.serial(i), "UUID": b.uuid(i),
		"PowerState": power.String(), "Status": object{"State": "Enabled", "Health": "OK"},
		"Actions": object{"#ComputerSystem.Reset": object{
			"target": b.systemURI(i) + resetPath, "ResetType@Redfish.AllowableValues": []string{"On", "ForceOff", "GracefulShutdown", "ForceRestart"},
		}},
	}
	switch {
	case b.has(PowerNull):
		s["PowerState"] = nil
	case b.has(PowerAbsent):
		delete(s, "PowerState")
	}
	return s
}

func (b *bmc) serial(i int) string {
	switch {
	case b.has(Identity):
		return "STRANGER" + string(b.record.ID)[max(0, len(b.record.ID)-6):]
	case b.record.Serial == "":
		return "          " // Supermicro X10, bmclib fixtures: blanks where nobody wrote a number
	case i > 0:
		return fmt.Sprintf("%s-%d", b.record.Serial, i+1)
	}
	return b.record.Serial
}

func (b *bmc) uuid(i int) string {
	if i == 0 && !b.has(Identity) {
		return b.record.UUID
	}
	u := derive(b.seed, fmt.Sprint("system ", i, b.has(Identity)))
	return formatUUID([16]byte(u[:16]))
}

const resetPath = "/Actions/ComputerSystem.Reset"

// reset switches the power, so that a person can play with the fleet.
func (b *bmc) reset(w http.ResponseWriter, r *http.Request, path string) {
	var body struct{ ResetType string }
	if !strings.HasSuffix(path, resetPath) || json.NewDecoder(http.MaxBytesReader(w, r.Body, 4<<10)).Decode(&body) != nil {
		refuse(w, http.StatusBadRequest, "Base.1.8.ActionNotSupported", "Only ComputerSystem.Reset is.")
		return
	}
	power := On
	if body.ResetType == "ForceOff" || body.ResetType == "GracefulShutdown" {
		power = Off
	}
	b.power.Store(uint32(power))
	w.WriteHeader(http.StatusNoContent)
}
