package rancher

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/websocket"
	"github.com/rancher/go-rancher/v2"
)

const (
	handshakeTime = 30 * time.Second
	// silence is how long a subscription may be without a frame: the server
	// sends a ping every 5 seconds.
	silence = 30 * time.Second
	// maxEvent bounds one frame, which holds a whole resource.
	maxEvent = 16 << 20
)

// event is the part of a frame that is looked at. Its data, a whole resource
// with the passwords in it, is not even decoded.
type event struct {
	Name         string `json:"name"`
	ResourceType string `json:"resourceType"`
}

// Changes implements discovery.Source by a subscription to the server's
// events. Servers end it after some hours. A key that may not subscribe gets
// an error at once.
func (c *Client) Changes(ctx context.Context, changed chan<- struct{}) error {
	const op = "follow events"
	conn, err := c.subscribe(ctx, op)
	if err != nil {
		return err
	}
	defer conn.Close()
	// Reading knows no context.
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	conn.SetReadLimit(maxEvent)
	signal(changed)
	for {
		if err := conn.SetReadDeadline(time.Now().Add(silence)); err != nil {
			return &Error{Op: op, Err: err}
		}
		_, frame, err := conn.ReadMessage()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var closed *websocket.CloseError
		switch {
		case errors.As(err, &closed):
			return &Error{Op: op, Err: errors.New("the server ended the subscription")}
		case err != nil:
			return transportError(op, err)
		}
		var e event
		if err := json.Unmarshal(frame, &e); err != nil {
			return &Error{Op: op, Err: errNoAnswer}
		}
		switch {
		case e.Name == "logout":
			return &Error{Op: op, Err: errors.New("the server logged the key out"), Advice: keyAdvice}
		case e.Name == "resource.change" && slices.Contains([]string{kindService, kindStack, kindContainer, "instance", kindHost}, e.ResourceType):
			signal(changed)
		}
	}
}

func signal(changed chan<- struct{}) {
	select {
	case changed <- struct{}{}:
	default:
	}
}

// subscribe opens the websocket. The library's way has no context, no time
// limit, and passes no proxy.
func (c *Client) subscribe(ctx context.Context, op string) (*websocket.Conn, error) {
	link := c.api.Types["subscribe"].Links[client.COLLECTION]
	if link == "" {
		return nil, &Error{Op: op, Err: errors.New("the key may not subscribe"), Advice: "give the URL of one environment, as http://rancher:8080/v2-beta/projects/1a5"}
	}
	u, err := url.Parse(link)
	if err != nil {
		return nil, &Error{Op: op, Err: errNoAnswer, Advice: versionAdvice}
	}
	// Some servers give the address of the websocket itself.
	plain := *u
	plain.Scheme = strings.Replace(u.Scheme, "ws", "http", 1)
	if err := c.checkLink(op, plain.String()); err != nil {
		return nil, err
	}
	u.Scheme = strings.Replace(plain.Scheme, "http", "ws", 1)
	u.RawQuery = url.Values{"eventNames": {"resource.change"}}.Encode()
	keys := base64.StdEncoding.EncodeToString([]byte(c.api.Opts.AccessKey + ":" + c.api.Opts.SecretKey))
	dialer := websocket.Dialer{Proxy: http.ProxyFromEnvironment, HandshakeTimeout: handshakeTime}
	conn, answer, err := dialer.DialContext(ctx, u.String(), http.Header{"Authorization": {"Basic " + keys}})
	switch {
	case err == nil:
		return conn, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case answer != nil:
		// What the body holds is no business of a log.
		return nil, statusError(op, &client.ApiError{StatusCode: answer.StatusCode})
	}
	return nil, transportError(op, fmt.Errorf("open the websocket: %w", err))
}
