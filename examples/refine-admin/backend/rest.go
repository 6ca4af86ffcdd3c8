package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// routes are the API, and the app if there is a folder of it. bridge is where the app finds the bridge.
func routes(s *store, app, bridge string, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, h func(http.ResponseWriter, *http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
			answer, err := h(w, r)
			if err != nil {
				refuse(w, r, err, log)
				return
			}
			reply(w, http.StatusOK, answer)
		})
	}
	handle("GET /api/config", func(http.ResponseWriter, *http.Request) (any, error) { return map[string]string{"bridge": bridge}, nil })
	handle("GET /api/products", s.listProducts)
	handle("POST /api/products", s.createProduct)
	handle("GET /api/products/{id}", s.getProduct)
	handle("PATCH /api/products/{id}", s.updateProduct)
	handle("DELETE /api/products/{id}", s.deleteProduct)
	handle("GET /api/orders", s.listOrders)
	handle("POST /api/orders", s.createOrder)
	handle("GET /api/orders/{id}", s.getOrder)
	handle("PATCH /api/orders/{id}", s.updateOrder)
	handle("GET /api/stats/now", s.getStats)
	handle("GET /api/settings/simulation", s.getSimulation)
	handle("PATCH /api/settings/simulation", s.updateSimulation)
	mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, r, problem(http.StatusNotFound, "there is no %s %s", r.Method, r.URL.Path), log)
	})
	if app != "" {
		mux.Handle("/", pages(app))
	}
	return http.NewCrossOriginProtection().Handler(mux) // pages of other sites cannot make the browser change something here
}

// pages serves the built app; addresses that are no file are pages of it.
func pages(dir string) http.Handler {
	files := http.FileServer(http.Dir(dir))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if info, err := os.Stat(filepath.Join(dir, filepath.FromSlash(r.URL.Path))); err != nil || info.IsDir() {
			w.Header().Set("Cache-Control", "no-cache")
			http.ServeFile(w, r, filepath.Join(dir, "index.html"))
			return
		}
		files.ServeHTTP(w, r)
	})
}

// causeOf is who sent the request. X-Live-Origin is the session of the page's Livebridge client, which goes on into the event, so that the
// client knows the echo of its own change. X-User is only for show: this example has no login.
func causeOf(r *http.Request) cause {
	return cause{user: printable(r.Header.Get("X-User")), origin: printable(r.Header.Get("X-Live-Origin"))}
}

// printable is the text if it may be the origin of an event, otherwise "": nobody's change shall fail because of that.
func printable(text string) string {
	if len(text) > 128 || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
		return ""
	}
	return text
}

// A statusError is told to whoever sent the request.
type statusError struct {
	status  int
	message string
}

func (e *statusError) Error() string { return e.message }

func problem(status int, format string, args ...any) error {
	return &statusError{status, fmt.Sprintf(format, args...)}
}

func refuse(w http.ResponseWriter, r *http.Request, err error, log *slog.Logger) {
	var e *statusError
	if !errors.As(err, &e) {
		if r.Context().Err() == nil {
			log.Error("request", "method", r.Method, "path", r.URL.Path, "error", err)
		}
		e = &statusError{http.StatusInternalServerError, "something went wrong in the backend: its log says what"}
	}
	reply(w, e.status, map[string]string{"message": e.message})
}

func reply(w http.ResponseWriter, status int, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer)
}

// read fills v from the request's body, strictly.
func read(r *http.Request, v any) error { return decode(r.Body, v) }

func decode(body io.Reader, v any) error {
	d := json.NewDecoder(body)
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return problem(http.StatusBadRequest, "the body is not what is expected here: %v", err)
	}
	return nil
}

func idOf(r *http.Request) (int64, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return 0, problem(http.StatusNotFound, "there is no record %q", r.PathValue("id"))
	}
	return id, nil
}

// A table says what the query of a list may ask of it: ?_start=0&_end=10&_sort=price&_order=desc&q=text&category=Coffee&id=1&id=2
type table struct {
	name                 string
	sort, filter, search []string
}

// where is the condition of the query, with its arguments.
func (t table) where(query url.Values) (string, []any) {
	conditions, args := []string{"1"}, []any(nil)
	for _, column := range t.filter {
		if values := query[column]; len(values) > 0 {
			conditions = append(conditions, column+" IN (?"+strings.Repeat(", ?", len(values)-1)+")")
			for _, v := range values {
				args = append(args, v)
			}
		}
	}
	if q := strings.TrimSpace(query.Get("q")); q != "" {
		var any []string
		for _, column := range t.search {
			any = append(any, "instr(lower("+column+"), lower(?)) > 0")
			args = append(args, q)
		}
		conditions = append(conditions, "("+strings.Join(any, " OR ")+")")
	}
	return " WHERE " + strings.Join(conditions, " AND "), args
}

// page is the order and the part of the list; at most 100 records.
func (t table) page(query url.Values) string {
	column, order := query.Get("_sort"), "ASC"
	if !slices.Contains(t.sort, column) {
		column = "id"
	}
	if strings.EqualFold(query.Get("_order"), "desc") {
		order = "DESC"
	}
	start, _ := strconv.Atoi(query.Get("_start"))
	end, err := strconv.Atoi(query.Get("_end"))
	if err != nil {
		end = start + 100
	}
	start = max(start, 0)
	return fmt.Sprintf(" ORDER BY %s %s, id %s LIMIT %d OFFSET %d", column, order, order, min(max(end-start, 0), 100), start)
}

// count sets the header by which the app knows how long the whole list is.
func (s *store) count(w http.ResponseWriter, r *http.Request, t table, where string, args []any) error {
	var n int
	if err := s.db.QueryRowContext(r.Context(), "SELECT count(*) FROM "+t.name+where, args...).Scan(&n); err != nil {
		return fmt.Errorf("count %s: %w", t.name, err)
	}
	w.Header().Set("X-Total-Count", strconv.Itoa(n))
	return nil
}
