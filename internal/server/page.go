package server

import "net/http"

// Page is what people see in a browser, or a part of it: a row that others add to the table of operations. Handle asks for
// the credential it needs and refuses what pages of other sites send: a browser sends its cookies along with both. The
// headers that every answer carries are set before it runs; it may overwrite them.
type Page struct {
	Method, Pattern string // as http.ServeMux takes them
	Handle          http.HandlerFunc
}

// pages are the rows of Config.Pages. A body is cut at the limit of the API.
func (s *Server) pages() []route {
	var rows []route
	for _, p := range s.Pages {
		rows = append(rows, route{p.Method, p.Pattern, "", access{authPage, func(w http.ResponseWriter, r *http.Request) error {
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
			p.Handle(w, r)
			return nil
		}}})
	}
	return rows
}
