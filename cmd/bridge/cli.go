package main

const about = `Live events from NATS JetStream to browsers, over WebSocket and Server-Sent Events, with exact replay.

Without a command, bridge serves: "bridge" is "bridge serve", and "bridge serve --help" lists its settings.`

// cli is the command line.
type cli struct {
	Serve   serveCmd   `cmd:"" default:"withargs" help:"Run the bridge, with NATS inside or connected to yours. The default."`
	Publish publishCmd `cmd:"" help:"Publish one event, and wait until it is stored."`
	Tail    tailCmd    `cmd:"" help:"Show events: live, and those of the past."`
	Token   tokenCmd   `cmd:"" help:"Make a token for development, look into one, or revoke it."`
	Version versionCmd `cmd:"" help:"Show the version of the bridge and of what it is made of."`
}

// serveCmd runs the bridge.
type serveCmd struct {
	Listen         address  `group:"Browsers:" default:"127.0.0.1:8080" placeholder:"127.0.0.1:8080" help:"Where browsers connect: HTTP, WebSocket and SSE. Port 0 takes a free one."`
	Origins        []string `group:"Browsers:" placeholder:"ORIGIN" help:"Web pages that may use the bridge: https://admin.example.com, https://*.example.com, or * for all. Pages served under the bridge's own host always may; without this flag and on a loopback address, so may all pages of this machine."`
	Insecure       bool     `group:"Browsers:" help:"Listen on a public address though no tokens are asked for, and everybody who reaches it may read and publish every event."`
	Console        bool     `group:"Browsers:" negatable:"" help:"Serve the console, a page that shows live events, replays and publishes, at /. On by itself where --listen is a loopback address and no tokens are asked for."`
	TrustedProxies []string `group:"Browsers:" placeholder:"NETWORK" help:"Reverse proxies whose X-Forwarded-For says where a connection comes from: addresses, or networks such as 10.0.0.0/8. From anybody else the header counts for nothing."`
	AdminListen    address  `group:"Browsers:" placeholder:"HOST:PORT" help:"A second address for /metrics, /healthz and /readyz. /metrics is served there alone then, and nowhere else where tokens are asked for."`
	TLSCert        string   `name:"tls-cert" group:"Browsers:" placeholder:"FILE" help:"Certificate chain (PEM) to serve https:// and wss:// with."`
	TLSKey         string   `name:"tls-key" group:"Browsers:" placeholder:"FILE" help:"The certificate's private key (PEM)."`

	tokenFlags

	NATSListen address `name:"nats-listen" group:"NATS inside the bridge:" default:"127.0.0.1:4222" placeholder:"127.0.0.1:4222" help:"Where services connect to publish. Port 0 takes a free one."`
	NATSConfig string  `name:"nats-config" group:"NATS inside the bridge:" placeholder:"FILE" help:"A configuration of nats-server for it, such as a copy of nats.conf. --nats-listen and --store-dir overrule the file only if they are given."`
	StoreDir   string  `group:"NATS inside the bridge:" default:"./data" placeholder:"./data" help:"The folder of the stored events. One bridge at a time uses it."`

	NATSURL string `name:"nats-url" group:"NATS connection:" placeholder:"URL" help:"Connect to this NATS, and run none inside: nats://host:4222, tls://…, several separated by commas."`
	natsFlags

	Stream   string `group:"Stream:" default:"LIVE" placeholder:"LIVE" help:"The JetStream stream of the events. It is created if it is missing, with the settings below; an existing one is used as it is."`
	Replicas int    `group:"Stream:" default:"1" help:"Copies in a NATS cluster: 1, 3 or 5."`
	MaxAge   span   `group:"Stream:" default:"24h" help:"How long events can be replayed. 0 = for ever."`
	MaxBytes size   `group:"Stream:" default:"1GiB" help:"How much the stream may take on disk, then its oldest events go. 0 = no limit."`

	MaxConnections           int     `group:"Limits:" default:"50000" help:"Connections at one time, WebSocket and SSE together."`
	MaxConnectionsPerAddress int     `group:"Limits:" default:"20000" help:"Connections of one IPv4 address, or one /64 of IPv6. 0 = any number."`
	MaxConnectionsPerUser    int     `group:"Limits:" default:"2000" help:"Connections with tokens of one sub. 0 = any number."`
	MaxSubscriptions         int     `group:"Limits:" default:"128" help:"Subscriptions of one connection."`
	MaxIDs                   int     `name:"max-ids" group:"Limits:" default:"1000" help:"Ids of one subscription."`
	MaxIDsPerConnection      int     `name:"max-ids-per-connection" group:"Limits:" default:"10000" help:"Ids and types of all subscriptions of one connection."`
	MaxReplay                int     `group:"Limits:" default:"100000" help:"Events replayed to one subscription; beyond, it is told to read everything again."`
	MaxReplays               int     `group:"Limits:" default:"8" help:"Replays that read from JetStream at one time; the others wait in line."`
	MaxReplaysPerConnection  int     `group:"Limits:" default:"4" help:"Of them, replays of one connection."`
	MaxFrame                 size    `group:"Limits:" default:"64KiB" help:"Size of a WebSocket message from a browser."`
	MaxPayload               size    `group:"Limits:" default:"64KiB" help:"Size of the payload of an event that is published through the bridge."`
	MaxPublish               int     `group:"Limits:" default:"1000" help:"Events of one publish request, counted once for each id; 1000 at most."`
	FrameRate                float64 `group:"Limits:" default:"50" help:"Messages a second from one connection."`
	FrameBurst               int     `group:"Limits:" default:"200" help:"Messages at once from one connection."`
	ByteRate                 size    `group:"Limits:" default:"4MiB" help:"Bytes a second from one connection; at once, four times as many."`
	MaxOutbox                size    `group:"Limits:" default:"1MiB" help:"What may wait to be sent on one connection; a slower reader is disconnected, and resumes."`
	WindowBytes              size    `group:"Limits:" default:"64MiB" help:"Memory for the newest events, from which short absences are replayed."`
	Ping                     span    `group:"Limits:" default:"25s" help:"Silence on a connection before a heartbeat."`
	ConnectTimeout           span    `group:"Limits:" default:"10s" help:"Time for a WebSocket to send its connect."`
	RequestTimeout           span    `group:"Limits:" default:"10s" help:"Time for a request, or a WebSocket message, from its first byte to its last."`
	DrainTimeout             span    `group:"Limits:" default:"10s" help:"Time to stop in good order after SIGTERM or Ctrl-C; a second signal stops at once."`

	LogLevel  string `group:"Log:" enum:"debug,info,warn,error" default:"info" placeholder:"info" help:"debug, info, warn or error."`
	LogFormat string `group:"Log:" enum:"auto,text,json" default:"auto" placeholder:"auto" help:"text or json; auto is text in a terminal and json otherwise. The log goes to stderr."`
}

// Help implements [kong.HelpProvider].
func (*serveCmd) Help() string {
	return `Services publish to NATS, JetStream stores, browsers get what matches: live, and what they missed. SIGTERM or Ctrl-C drains: what was published is acknowledged, clients are sent away to reconnect, then the bridge exits.

Every flag is also an environment variable: --max-age is LIVEBRIDGE_MAX_AGE. Sizes are written 65536, 64KiB or 1GiB, durations 500ms, 1h30m or 7d.

Try it out, with everything inside:

    bridge

A bridge in front of your NATS, behind your reverse proxy:

    bridge --nats-url nats://nats:4222 --nats-creds bridge.creds --origins https://admin.example.com --jwks-url https://login.example.com/jwks.json

Exit status: 0 after a clean drain, 1 when something failed at run time, 2 for wrong or contradictory settings.`
}

// natsFlags say who the program is to a NATS server.
type natsFlags struct {
	NATSCreds string `name:"nats-creds" group:"NATS connection:" placeholder:"FILE" help:"Credentials (JWT and seed) of the NATS user."`
	NATSNkey  string `name:"nats-nkey" group:"NATS connection:" placeholder:"FILE" help:"Nkey seed of the NATS user."`
	NATSUser  string `name:"nats-user" group:"NATS connection:" placeholder:"TEXT" help:"Name of the NATS user, with --nats-password-file."`
	NATSPass  string `name:"nats-password-file" group:"NATS connection:" placeholder:"FILE" help:"The user's password, in a file that nobody else may read."`
	NATSInbox string `name:"nats-inbox" group:"NATS connection:" default:"_INBOX" placeholder:"_INBOX" help:"What the subjects of answers begin with, for a user who may subscribe to no others."`
	NATSCA    string `name:"nats-ca" group:"NATS connection:" placeholder:"FILE" help:"Certificate authority (PEM) that signed the server's certificate, if not a public one."`
	NATSCert  string `name:"nats-cert" group:"NATS connection:" placeholder:"FILE" help:"Client certificate (PEM) for a server that asks for one."`
	NATSKey   string `name:"nats-key" group:"NATS connection:" placeholder:"FILE" help:"Private key (PEM) of the client certificate."`
}

// natsClient is what the commands that speak to NATS alone have in common.
type natsClient struct {
	NATSURL string `name:"nats-url" group:"NATS connection:" default:"nats://127.0.0.1:4222" placeholder:"nats://127.0.0.1:4222" help:"The NATS server: that inside the bridge, or your own."`
	natsFlags
	Stream string `group:"NATS connection:" default:"LIVE" placeholder:"LIVE" help:"The JetStream stream of the events."`
}

// publishCmd publishes one event.
type publishCmd struct {
	Resource string  `arg:"" help:"What kind of record, such as products."`
	Type     string  `arg:"" help:"What happened: created, updated, deleted, or any other word."`
	ID       *string `arg:"" optional:"" help:"The record. Missing or \"\" means no particular one: everything of the resource may have changed."`
	JSON     *string `arg:"" optional:"" name:"json" help:"The payload, any JSON value; - reads it from stdin. Missing: {}."`

	IDs  []string `name:"id" once:"" sep:"none" group:"Event:" placeholder:"ID" help:"A record, instead of the argument; several make one event about all of them."`
	Key  string   `once:"" group:"Event:" placeholder:"KEY" help:"Publishing the same key again within the duplicate window (2m) stores nothing."`
	Meta string   `once:"" group:"Event:" placeholder:"JSON" help:"A JSON object that is handed on beside the payload, such as who did it."`
	Date string   `once:"" group:"Event:" placeholder:"RFC3339" help:"When it happened. Default: when it is stored."`

	natsClient
}

// Help implements [kong.HelpProvider].
func (*publishCmd) Help() string {
	return `It prints the event's sequence in the stream after JetStream has acknowledged it (for several records, that of the last), followed by "duplicate" if the key was known.

    bridge publish products updated 42 '{"price":10}'
    bridge publish products imported
    bridge publish products updated --id 1 --id 2 --id 3 '{"price":10}'
    jq -c . product.json | bridge publish products created 43 -

The flags of the connection are also environment variables, such as LIVEBRIDGE_NATS_URL.

Exit status: 0 stored, 1 not stored or not known to be, 2 for an event that cannot be published.`
}

// tailCmd shows events.
type tailCmd struct {
	Pattern string `arg:"" optional:"" default:">" help:"A NATS subject pattern without live.: resource, type and id, * for any, and what is left off at the end is any. Every other character than A-Z a-z 0-9 - _ is written %XX."`

	Since    string `once:"" group:"Start:" placeholder:"-10m" help:"Begin with what was stored at or after a time (RFC 3339), or so long ago: -10m, -2d."`
	After    string `once:"" group:"Start:" placeholder:"CURSOR" help:"Begin after the event with this cursor."`
	Last     string `once:"" group:"Start:" placeholder:"N" help:"Begin with the newest N that match."`
	NoFollow bool   `once:"" group:"Output:" help:"Show what is stored (without a start: everything), then exit."`
	JSON     bool   `name:"json" once:"" group:"Output:" help:"One JSON object a line, with the cursor, as GET /v1/events shows it."`

	natsClient
}

// Help implements [kong.HelpProvider].
func (*tailCmd) Help() string {
	return `It reads the stream by NATS, with the guarantees that browsers have: in order, nothing missing, nothing twice. If events are missed all the same (they had expired), a line on stderr says so.

    bridge tail
    bridge tail products
    bridge tail 'products.updated.*' --since -10m
    bridge tail '*.deleted' --last 50 --no-follow --json

Events about no particular record match whatever the id. The flags of the connection are also environment variables, such as LIVEBRIDGE_NATS_URL. Colours are off where NO_COLOR is set. Ctrl-C ends it.

Exit status: 0 when stopped or done, 1 when something failed or, with --no-follow, events are missing, 2 for wrong usage.`
}

// tokenCmd makes tokens, looks into them, and revokes them.
type tokenCmd struct {
	Mint    mintCmd    `cmd:"" default:"withargs" help:"Make a token and print it. The default."`
	Inspect inspectCmd `cmd:"" help:"Show what a token says, and with a secret or key whether it is accepted."`
	Revoke  revokeCmd  `cmd:"" help:"Make a token, or all of a user's, count no more, on all bridges."`
	Revoked revokedCmd `cmd:"" help:"List what has been revoked."`
}

// mintCmd makes a token.
type mintCmd struct {
	SecretFile string   `once:"" required:"" group:"Token:" placeholder:"FILE" help:"The secret that the bridge is given with --jwt-secret-file."`
	Sub        string   `once:"" group:"Token:" placeholder:"TEXT" help:"Whose token it is."`
	Subscribe  []string `once:"" sep:"none" group:"Token:" placeholder:"PATTERN" help:"What may be subscribed to: resource.type.id, with * for any one of them, or > at the end for all the rest, such as products.>. It may be given several times, as may --deny and --publish."`
	Deny       []string `once:"" sep:"none" group:"Token:" placeholder:"PATTERN" help:"What of it is not delivered."`
	Publish    []string `once:"" sep:"none" group:"Token:" placeholder:"PATTERN" help:"What may be published."`
	History    string   `once:"" group:"Token:" placeholder:"24h" help:"How far back events may be replayed; 0s = not at all. Default: as far as they are stored."`
	Expires    span     `once:"" group:"Token:" default:"1h" placeholder:"1h" help:"How long it is valid."`
	Issuer     string   `once:"" group:"Token:" placeholder:"TEXT" help:"The claim iss, for a bridge with --jwt-issuer."`
	Audience   string   `once:"" group:"Token:" placeholder:"TEXT" help:"The claim aud, for a bridge with --jwt-audience."`
}

// Help implements [kong.HelpProvider].
func (*mintCmd) Help() string {
	return `For development and tests. In production your backend makes tokens, for the user who is logged in: docs/security.md has it in Go and Node.

    bridge token --secret-file jwt.secret --sub alice --subscribe 'products.>' --deny 'products.*.7' --publish 'products.>' --history 24h --expires 1h

The secret has 32 bytes or more, in a file that nobody else may read: openssl rand -base64 48 > jwt.secret && chmod 600 jwt.secret

Exit status: 0 printed, 1 when the secret cannot be read or used, 2 for wrong usage.`
}

// inspectCmd shows what a token says.
type inspectCmd struct {
	SecretFile string `once:"" group:"Verify:" placeholder:"FILE" help:"Check the token as a bridge with this --jwt-secret-file does."`
	KeyFile    string `once:"" group:"Verify:" placeholder:"FILE" help:"Check the token as a bridge with this --jwt-key-file does."`
	Issuer     string `once:"" group:"Verify:" placeholder:"TEXT" help:"… and this --jwt-issuer."`
	Audience   string `once:"" group:"Verify:" placeholder:"TEXT" help:"… and this --jwt-audience."`
}

// Help implements [kong.HelpProvider].
func (*inspectCmd) Help() string {
	return `It reads the token from stdin, so that it stands in no list of processes and in no shell's history. A token that was shown to others should not be used any more.

    bridge token inspect --secret-file jwt.secret < token.txt

Exit status: 0 shown, and accepted where that was to be checked; 1 not accepted; 2 for wrong usage.`
}

// bucketClient is what the commands about the list of revoked tokens have in common.
type bucketClient struct {
	NATSURL          string `name:"nats-url" group:"NATS connection:" default:"nats://127.0.0.1:4222" placeholder:"nats://127.0.0.1:4222" help:"The NATS server: that inside the bridge, or your own."`
	RevocationBucket string `group:"NATS connection:" default:"LIVE_REVOKED" placeholder:"LIVE_REVOKED" help:"The bucket that the bridges are given with --revocation-bucket."`
	natsFlags
}

// revokeCmd revokes tokens.
type revokeCmd struct {
	JTI    []string `name:"jti" once:"" sep:"none" group:"Tokens:" placeholder:"TEXT" help:"A token, by its claim jti. It may be given several times, as may --sub."`
	Sub    []string `once:"" sep:"none" group:"Tokens:" placeholder:"TEXT" help:"A user, by the claim sub: all tokens that were issued (iat) up to now, and those that do not say when. The user may log in again."`
	Before string   `once:"" group:"Tokens:" placeholder:"RFC3339" help:"With --sub: tokens that were issued before this time, in place of now."`
	Keep   span     `once:"" group:"Tokens:" default:"30d" placeholder:"30d" help:"How long it is kept in mind: as long as the longest-lived of these tokens has left. 0s = for ever."`

	bucketClient
}

// Help implements [kong.HelpProvider].
func (*revokeCmd) Help() string {
	return `Within a second the tokens count on no bridge any more, and their connections are closed. It prints what is revoked once NATS has stored it.

    bridge token revoke --jti 7f3a
    bridge token revoke --sub alice

It needs the right to publish on $KV.LIVE_REVOKED.> alone. docs/security.md says how a backend does the same without this program. To take it back, delete the entry: nats kv del LIVE_REVOKED jti.N2YzYQ

Exit status: 0 revoked, 1 not revoked or not known to be, 2 for wrong usage.`
}

// revokedCmd lists what has been revoked.
type revokedCmd struct {
	bucketClient
}

// Help implements [kong.HelpProvider].
func (*revokedCmd) Help() string {
	return `One entry a line: what it is about, and how long it is kept.

    bridge token revoked --nats-url nats://nats:4222

Exit status: 0 listed, 1 when the list could not be read, 2 for wrong usage.`
}

// versionCmd shows the version.
type versionCmd struct{}
