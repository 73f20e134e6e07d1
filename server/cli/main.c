/* towline: the engineer's command. */
#include "cli/commands.h"
#include "cli/profile.h"

#include <curl/curl.h>
#include <towline/bundle_command.h>
#include <towline/forward.h>

static const struct tl_cli_option json_option[] = {
	{0, "json", NULL, "Print JSON, for programs."},
	{0},
};
static const struct tl_cli_option tickets_options[] = {
	{'a', "all", NULL, "Closed and resolved tickets too."},
	{0, "json", NULL, "Print JSON, for programs."},
	{0},
};
static const struct tl_cli_option login_options[] = {
	{0, "relay", "URL", "The relay's address: https://HOST:PORT."},
	{0, "ca", "FILE", "PEM file with the relay's CA."},
	{0, "ssh", "HOST:PORT", "The relay's SSH front door, for ssh-config."},
	{0, "ssh-key", "FILE", "Certify this key (its .pub is read) instead of a new one."},
	{0, "bind-address", NULL, "A certificate for the address that you have now alone."},
	{0, "no-certificate", NULL, "Fetch no SSH certificate."},
	{0, "json", NULL, "Print JSON, for programs."},
	{0},
};
static const struct tl_cli_option output_options[] = {
	{'o', "output", "FILE",
	 "Where to write it (default BUNDLE.tar.zst, of a sealed one BUNDLE.tar.zst.p7m)."},
	{0},
};
static const struct tl_cli_option key_options[] = {
	TL_BUNDLE_KEY_OPTIONS,
	{0},
};
static const struct tl_cli_option forward_options[] = {
	{'A', "agent", NULL, "Your ssh-agent too (ssh -A)."},
	{0, "minutes", "NUMBER", "For how long sessions ask for it, 1 to 720 (default 60)."},
	{0, "json", NULL, "Print JSON, for programs."},
	{0},
};
static const struct tl_cli_option sessions_options[] = {
	{'t', "ticket", "TICKET", "Only this ticket's sessions."},
	{0, "json", NULL, "Print JSON, for programs."},
	{0},
};
#define WISH_OPTIONS \
	{0, "purpose", "TEXT", \
	 "Why, in your own words; else $TOWLINE_PURPOSE, else the ticket's summary stands for " \
	 "it."}, \
		{0, "scopes", "LIST", \
		 "What for: terminal, exec, files, forwarding (terminal,exec,files)."}, \
		{0, "minutes", "NUMBER", "How long at most."}, \
		{0, "user", "ACCOUNT", \
		 "Run as this account of the host, where its policy allows."}, \
		{0, "break-glass", NULL, \
		 "An emergency: ask nobody. The host's policy must allow it to you; it is told " \
		 "loudly."}, \
	{ \
		0, "key", "FILE", \
			"Sign by this key; else by one that is in ssh-agent, or in ~/.ssh." \
	}

static const struct tl_cli_option connect_options[] = {
	WISH_OPTIONS,
	{0, "ssh-config", "FILE", "Configuration of the ssh that reaches the relay."},
	{0},
};
static const struct tl_cli_option request_options[] = {
	WISH_OPTIONS,
	{'t', "ticket", "TICKET", "The ticket that the request has to be under."},
	{0, "lane", "LANE", "end-to-end (the default) or bastion."},
	{0, "unsigned", NULL, "Do not fail without a key to sign by."},
	{0, "no-wait", NULL, "Do not wait for the answer of the host."},
	{0, "json", NULL, "Print JSON, for programs."},
	{0},
};
static const struct tl_cli_option add_options[] = {
	{0, "name", "NAME", "As people know the engineer (default: the login)."},
	{0, "key", "FILE", "A public key of the engineer; may be given several times."},
	{0, "scopes", "LIST", "What the engineer may ask for (default: everything)."},
	{0, "expires", "TIME", "When the entry ends: 2027-01-31T00:00:00Z."},
	{0, "break-glass", NULL, "The engineer may claim emergencies."},
	{0},
};
static const struct tl_cli_option sign_options[] = {
	{0, "key", "FILE", "The offline key."},
	{0, "days", "NUMBER", "How long the roster is good (90)."},
	{0},
};
static const struct tl_cli_option roster_verify_options[] = {
	{0, "fingerprint", "SHA256:…", "The key that must have signed it."},
	{0},
};
static const struct tl_cli_option stop_options[] = {
	{0, "reason", "TEXT", "Why: it stands on the ticket's timeline."},
	{0},
};
static const struct tl_cli_option join_options[] = {
	{0, "take-over", NULL,
	 "Type instead of the session's engineer (bastion lane). Ctrl-] gives the keyboard back."},
	{0},
};
static const struct tl_cli_option get_options[] = {
	{'o', "output", "FILE", "Where to write it (default: standard output)."},
	{0, "proof", "FILE", "Write what `session verify` needs to check it offline."},
	{0},
};
static const struct tl_cli_option export_options[] = {
	{'o', "output", "FILE", "Where to write it (default: standard output)."},
	{0, "format", "FORMAT", "asciicast (the default: a terminal, asciicast v2) or text."},
	{0, "channel", "NUMBER",
	 "Only this channel (default: asciicast the first terminal, text all)."},
	{0},
};
static const struct tl_cli_option search_options[] = {
	{'i', "ignore-case", NULL, "Letters of either case are the same."},
	{0},
};
static const struct tl_cli_option verify_options[] = {
	{0, "proof", "FILE", "What `session get --proof` wrote beside a recording's file."},
	{0, "relay-key", "KEY",
	 "The relay's authority key, as noted elsewhere; else the proof's is believed."},
	{0, "host-key", "KEY",
	 "The host's identity key, as noted elsewhere; else the proof's is believed."},
	{0},
};
static const struct tl_cli_option replay_options[] = {
	{0, "no-wait", NULL, "Print everything at once."},
	{0},
};

static const struct tl_cli_option ssh_config_options[] = {
	{0, "short", NULL,
	 "Let `ssh HOST` mean the relay's host too. Hosts name themselves: only where you trust "
	 "those who enrol them."},
	{0, "signed", NULL,
	 "Reach hosts by `towline connect`, which signs each request: for hosts that want it so."},
	{0, "key", "FILE", "The same, signed by this key."},
	{0},
};

static const struct tl_cli_command commands[] = {
	{"login", NULL, 0, 0, "Remember a relay and an API token; get an SSH certificate",
	 "Reads the token from standard input, checks it, and writes the configuration. Without "
	 "--relay the "
	 "one that is remembered. Then fetches an SSH certificate for a working day, for which the "
	 "relay may "
	 "want a code of your second factor; `towline ssh-config` makes ssh use it. Its key is "
	 "made anew "
	 "each time, unless --ssh-key names one.",
	 login_options, tl_command_login},
	{"whoami", NULL, 0, 0, "Show who the relay takes you for", NULL, json_option,
	 tl_command_whoami},
	{"tickets", NULL, 0, 0, "List open tickets, newest first", NULL, tickets_options,
	 tl_command_tickets},
	{"ticket show", "TICKET", 1, 1, "Show a ticket with its bundles, sessions and timeline",
	 NULL, json_option, tl_command_ticket_show},
	{"ticket note", "TICKET TEXT", 2, 2, "Add a work note to a ticket", NULL, NULL,
	 tl_command_ticket_note},
	{"hosts", NULL, 0, 0, "List enrolled hosts and how they are", NULL, json_option,
	 tl_command_hosts},
	{"host show", "HOST", 1, 1, "Show a host with the facts of its health",
	 "What the host's agent told last, judged by its own thresholds: what is bad first.",
	 json_option, tl_command_host_show},
	{"bundle get", "BUNDLE|TICKET", 1, 1, "Download a bundle and check its hash",
	 "With a ticket's number, its newest bundle. The download is on the audit trail.",
	 output_options, tl_command_bundle_get},
	TL_BUNDLE_INSPECT_COMMAND("bundle inspect", tl_command_bundle_inspect),
	TL_BUNDLE_DIFF_COMMAND("bundle diff", tl_command_bundle_diff),
	{"bundle extract", "FILE [DIRECTORY]", 1, 2, "Unpack a bundle safely below a directory",
	 NULL, key_options, tl_command_bundle_extract},
	{"forward", "HOST|TICKET [PLACE…]", 1, 1 + TL_FORWARDS_MAX,
	 "Ask to forward connections through a host",
	 "Your sessions to the host then ask for the scope forwarding and these places: "
	 "HOST:PORT (db-1.internal:5432, 127.0.0.1:*, *.internal:443, 10.0.0.0/8:22) for ssh -L, "
	 "-D, "
	 "-W and -J, listen:ADDRESS:PORT for ssh -R. The host's policy and the person there "
	 "decide. "
	 "Without PLACE and --agent nothing is asked for any more.",
	 forward_options, tl_command_forward},
	{"sessions", NULL, 0, 0, "List remote sessions", NULL, sessions_options,
	 tl_command_sessions},
	{"connect", "HOST|TICKET", 1, 1,
	 "Carry an SSH connection to a host, under a signed request",
	 "Made for OpenSSH's ProxyCommand; `towline ssh-config --signed` writes it. Signs the "
	 "request "
	 "by your own key, and lets ssh carry the bytes.",
	 connect_options, tl_command_connect},
	{"session request", "HOST|TICKET", 1, 1, "Ask for a session, signed by your own key",
	 "Waits for the answer of the person at the host. The next connection to the host takes "
	 "the "
	 "session up: `ssh -J towline-relay HOST`.",
	 request_options, tl_command_session_request},
	{"session stop", "SESSION", 1, 1, "End a running session", NULL, stop_options,
	 tl_command_session_stop},
	{"session pause", "SESSION", 1, 1, "Let nothing in or out of a running session",
	 "The endpoint holds every byte, both ways, until \"session resume\". Nothing is lost.",
	 stop_options, tl_command_session_pause},
	{"session resume", "SESSION", 1, 1, "Let a paused session go on", NULL, NULL,
	 tl_command_session_resume},
	{"session watch", "SESSION", 1, 1, "Watch a running session live",
	 "From its beginning, then as it goes on. Engineer and user see that you watch, and the "
	 "ticket's timeline says so. Ctrl-C leaves.",
	 NULL, tl_command_session_watch},
	{"session join", "SESSION", 1, 1, "Be the second engineer of a session",
	 "A session under four eyes begins when you join, and is paused or ends when you leave "
	 "(Ctrl-C). You watch; with --take-over you type.",
	 join_options, tl_command_session_join},
	{"session get", "SESSION|FILE", 1, 1, "Fetch a session's recording", NULL, get_options,
	 tl_command_session_get},
	{"session export", "SESSION|FILE", 1, 1, "Convert a recording for players and readers",
	 NULL, export_options, tl_command_session_export},
	{"session search", "TICKET|SESSION|FILE TEXT", 2, 2,
	 "Find text in recordings: commands, output, files, notes",
	 "Prints session, time since its start, channel and line. With a ticket, all its "
	 "recordings, "
	 "oldest first.",
	 search_options, tl_command_session_search},
	{"session note", "SESSION TEXT", 2, 2, "Say what was done in a session",
	 "The note stands on the ticket's timeline, beside the session.", NULL,
	 tl_command_session_note},
	{"session verify", "SESSION|FILE", 1, 1,
	 "Check a recording's chain, its recorder's seal and the relay's countersignature",
	 "Of a file, with --proof and the keys that you trust, without any relay.", verify_options,
	 tl_command_session_verify},
	{"session replay", "SESSION|FILE", 1, 1, "Play a recorded terminal",
	 "Pauses longer than two seconds are shortened.", replay_options,
	 tl_command_session_replay},
	{"totp enrol", NULL, 0, 0, "Get yourself a second factor, or a new one",
	 "Prints an otpauth:// URI for the authenticator on your phone, asks for a code that it "
	 "shows, "
	 "and prints recovery codes. From then on ssh asks for a code after your key.",
	 NULL, tl_command_totp_enrol},
	{"roster init", "FILE", 1, 1, "Begin a roster of engineers", NULL, NULL,
	 tl_command_roster_init},
	{"roster add", "FILE LOGIN", 2, 2, "Put an engineer on the roster, or change the entry",
	 NULL, add_options, tl_command_roster_add},
	{"roster remove", "FILE LOGIN", 2, 2, "Take an engineer off the roster", NULL, NULL,
	 tl_command_roster_remove},
	{"roster sign", "FILE", 1, 1, "Sign the roster by the offline key",
	 "Raises the version, sets the expiry and writes FILE.sig, which `ssh-keygen -Y verify` "
	 "checks "
	 "too (namespace roster@towline). Prints the key's fingerprint, which endpoints pin.",
	 sign_options, tl_command_roster_sign},
	{"roster verify", "FILE", 1, 1, "Check a roster and its signature, and show it", NULL,
	 roster_verify_options, tl_command_roster_verify},
	{"roster publish", "FILE", 1, 1, "Hand a signed roster to the relay, for every endpoint",
	 NULL, NULL, tl_command_roster_publish},
	{"ssh-config", NULL, 0, 0, "Print ssh_config blocks for every host",
	 "Write it to ~/.ssh/towline.conf and add `Include towline.conf` to ~/.ssh/config: then "
	 "`ssh HOST.towline`, scp, sftp and rsync go through the relay, end to end, and never ask "
	 "about a host key; `ssh T-1001` goes to the ticket's host.",
	 ssh_config_options, tl_command_ssh_config},
	{"known-hosts", "[NAME]", 0, 1, "Print known_hosts lines of the relay and its hosts",
	 "Made for OpenSSH's KnownHostsCommand. NAME is a host, a ticket or [RELAY]:PORT; without "
	 "it every key is printed.",
	 NULL, tl_command_known_hosts},
};

static const struct tl_cli_program program = {
	.name = "towline",
	.summary = "work tickets, read bundles and reach hosts through a Towline relay",
	.help = "Sessions themselves need nothing but ssh: `ssh -p PORT HOST@relay` in the bastion "
		"lane, "
		"`ssh -J relay:PORT HOST` end to end.",
	.options = tl_profile_options,
	.commands = commands,
	.command_count = TL_ARRAY_LEN(commands),
};

int main(int argc, char **argv)
{
	int failed;

	curl_global_init(CURL_GLOBAL_DEFAULT);
	failed = tl_cli_main(&program, argc, argv);
	curl_global_cleanup();
	return tl_command_bundle_status(failed);
}
