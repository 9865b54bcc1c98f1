package main

import (
	"context"
	"encoding/json"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/api/client"
	"github.com/vungxa/vungxa/node/daemon"
)

type signInCmd struct {
	Dir  string `required:"" type:"path" help:"The directory of the node, which is running." vi:"Thư mục của nút đang chạy."`
	JSON bool   `help:"Print one JSON object." vi:"In một đối tượng JSON."`
}

// Run prints a new link. Who can read the node's directory may sign in: the node's
// own door asks for the secret that lies there.
func (s signInCmd) Run(ctx context.Context, c *console) error {
	running, err := daemon.Running(s.Dir)
	if err != nil {
		return err
	}
	if running == nil {
		return node.Errorf(node.Unavailable, "Nút trong %[1]s không chạy. Hãy khởi động nó: vungxa run --dir %[1]s; nó in một liên kết đăng nhập mới.",
			"the node in %[1]s is not running; start it: vungxa run --dir %[1]s; it prints a new sign-in link", s.Dir)
	}
	var link daemon.SignInLink
	door := client.Door{Page: running.URL, Secret: running.Secret, English: c.english}
	if err := door.Do(ctx, "signin", struct{}{}, nil, &link); err != nil {
		return err
	}
	if s.JSON {
		return json.NewEncoder(c.out).Encode(link)
	}
	c.say("%s", "%s", link.URL)
	c.say("Liên kết dùng được một lần, cho %s.", "The link is good for one sign-in, of %s.", link.Officer)
	return nil
}
