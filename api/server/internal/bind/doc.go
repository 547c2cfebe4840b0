// Package bind decodes requests: it converts a JSON body or the query to Go values, and collects the errors of all fields with
// their JSON pointers, so that a client gets them all at once.
package bind
