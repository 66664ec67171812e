package cliutil

import (
	"context"

	"github.com/keyfob/keyfob/pkg/client"
)

// OrgClient is a service and an organisation in it.
type OrgClient struct {
	*client.Client

	Org string
}

// OpenOrg finds the service and the organisation that the options select.
func OpenOrg(ctx context.Context, session func(context.Context) (*Session, error)) (OrgClient, error) {
	s, err := session(ctx)
	if err != nil {
		return OrgClient{}, err
	}
	org, err := s.SelectOrg(ctx)
	return OrgClient{s.Client, org}, err
}
