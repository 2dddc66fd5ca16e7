package standin

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// ServiceNow stands in for an instance of ServiceNow with the table incident, by the Table API.
type ServiceNow struct {
	server
	User, Password string

	records []map[string]string
}

// The columns of the table, and the states from which an ordinary user brings nothing back.
var (
	columns  = []string{"sys_id", "number", "state", "sys_created_on", "short_description", "description", "correlation_id", "correlation_display", "close_code", "close_notes", "assignment_group", "category", "work_notes"}
	finished = []string{"7", "8"}
)

// StartServiceNow starts one.
func StartServiceNow(t testing.TB) *ServiceNow {
	t.Helper()
	s := &ServiceNow{User: "lamplighter", Password: "snow-s3cret"}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/now/table/incident", s.list)
	mux.HandleFunc("POST /api/now/table/incident", s.create)
	mux.HandleFunc("PATCH /api/now/table/incident/{id}", s.update)
	mux.HandleFunc("/api/now/table/", func(w http.ResponseWriter, r *http.Request) {
		snowError(w, http.StatusBadRequest, "Invalid table "+strings.Split(strings.TrimPrefix(r.URL.Path, "/api/now/table/"), "/")[0], "")
	})
	s.serve(t, "ServiceNow", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, ok := r.BasicAuth(); !ok || user != s.User || password != s.Password {
			snowError(w, http.StatusUnauthorized, "User Not Authenticated", "Required to provide Auth information")
			return
		}
		mux.ServeHTTP(w, r)
	}))
	return s
}

func snowError(w http.ResponseWriter, status int, message, detail string) {
	answer(w, status, map[string]any{"error": map[string]string{"message": message, "detail": detail}, "status": "failure"})
}

// list answers an encoded query. A condition on a column that the table does not have is dropped, as in the product by default.
func (s *ServiceNow) list(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := slices.Clone(s.records)
	for condition := range strings.SplitSeq(r.URL.Query().Get("sysparm_query"), "^") {
		if column, ok := strings.CutPrefix(condition, "ORDERBY"); ok {
			slices.SortStableFunc(found, func(a, b map[string]string) int { return strings.Compare(a[column], b[column]) })
			continue
		}
		column, value, ok := strings.Cut(condition, "=")
		if ok && slices.Contains(columns, column) {
			found = slices.DeleteFunc(found, func(record map[string]string) bool { return record[column] != value })
		}
	}
	shown := []map[string]string{}
	for _, record := range found {
		shown = append(shown, only(record, r))
	}
	answer(w, http.StatusOK, map[string]any{"result": shown})
}

// only has the fields that were asked for.
func only(record map[string]string, r *http.Request) map[string]string {
	wanted := r.URL.Query().Get("sysparm_fields")
	if wanted == "" {
		return record
	}
	some := map[string]string{}
	for field := range strings.SplitSeq(wanted, ",") {
		if value, ok := record[field]; ok {
			some[field] = value
		}
	}
	return some
}

func (s *ServiceNow) create(w http.ResponseWriter, r *http.Request) {
	body, err := read(r)
	if err != nil {
		snowError(w, http.StatusBadRequest, "Exception while reading request", err.Error())
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.records) + 1
	record := map[string]string{"sys_id": fmt.Sprintf("%032x", n), "number": fmt.Sprintf("INC%07d", 10000+n), "state": "1", "sys_created_on": time.Now().UTC().Format("2006-01-02 15:04:05")}
	fill(record, body)
	s.records = append(s.records, record)
	w.Header().Set("Location", s.URL+"/api/now/table/incident/"+record["sys_id"])
	answer(w, http.StatusCreated, map[string]any{"result": only(record, r)})
}

// fill sets the columns that there are; others are dropped without a word, and a title is cut.
func fill(record map[string]string, body map[string]any) {
	for _, column := range columns[2:] {
		value, given := body[column].(string)
		switch {
		case !given:
		case column == "work_notes":
			record[column] = strings.TrimPrefix(record[column]+"\n\n"+value, "\n\n")
		case column == "short_description":
			record[column] = value[:min(len(value), 160)]
		default:
			record[column] = value
		}
	}
}

func (s *ServiceNow) update(w http.ResponseWriter, r *http.Request) {
	body, err := read(r)
	if err != nil {
		snowError(w, http.StatusBadRequest, "Exception while reading request", err.Error())
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.records, func(record map[string]string) bool { return record["sys_id"] == r.PathValue("id") })
	if i < 0 {
		snowError(w, http.StatusNotFound, "No Record found", "Record doesn't exist or ACL restricts the record retrieval")
		return
	}
	after := maps.Clone(s.records[i])
	fill(after, body)
	switch {
	case slices.Contains(finished, s.records[i]["state"]):
		snowError(w, http.StatusForbidden, "Operation Failed", "ACL Exception Update Failed due to security constraints")
		return
	case slices.Contains([]string{"6", "7"}, after["state"]) && (after["close_code"] == "" || after["close_notes"] == ""):
		snowError(w, http.StatusForbidden, "Operation Failed", "Data Policy Exception: The following fields are mandatory: Resolution code, Resolution notes")
		return
	}
	s.records[i] = after
	answer(w, http.StatusOK, map[string]any{"result": only(after, r)})
}

// Records are copies of all.
func (s *ServiceNow) Records() (all []map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, record := range s.records {
		all = append(all, maps.Clone(record))
	}
	return all
}

// ByHand sets fields of a record as a person would; nil deletes it.
func (s *ServiceNow) ByHand(number string, fields map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records = slices.DeleteFunc(s.records, func(record map[string]string) bool { return fields == nil && record["number"] == number })
	for _, record := range s.records {
		if record["number"] == number {
			maps.Copy(record, fields)
		}
	}
}

// Add makes a record as somebody else would.
func (s *ServiceNow) Add(fields map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.records) + 1
	record := map[string]string{"sys_id": fmt.Sprintf("%032x", n), "number": fmt.Sprintf("INC%07d", 10000+n), "state": "1", "sys_created_on": time.Now().UTC().Format("2006-01-02 15:04:05")}
	maps.Copy(record, fields)
	s.records = append(s.records, record)
}
