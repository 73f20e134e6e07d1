/* Every route of the API: one row each, sorted by pattern, then method. docs/openapi.json is made from
 * this table. */
#include "desk/desk.h"
#include "desk/handlers.h"

#define PUBLIC TL_ROLE_NOBODY
#define HOST TL_ROLE_HOST
#define STAFF (TL_ROLE_ENGINEER | TL_ROLE_SUPERVISOR | TL_ROLE_ADMIN)
#define READERS (STAFF | TL_ROLE_AUDITOR)
#define PEOPLE (READERS | TL_ROLE_REQUESTER)
#define ADMIN TL_ROLE_ADMIN

#define KIB 1024
#define UPLOAD_MAX ((uint64_t)1 << 40) /* the desk's own limits are lower */

#define GET(pattern, roles, handler, summary) \
	{ \
		"GET", pattern, roles, TL_BODY_NONE, 0, handler, NULL, summary \
	}

static const struct tl_http_route routes[] = {
	{"POST", "/v1/agent/heartbeat", HOST, TL_BODY_JSON, 256 * KIB, tl_heartbeat, NULL,
	 "Tells that the agent is alive, how long its queue is, and how the machine is"},
	GET("/v1/agent/limits", HOST, tl_agent_limits_show,
	    "What the host may send: asked before it collects"),
	{"POST", "/v1/agent/sessions/:id/company", HOST, TL_BODY_JSON, 8 * KIB,
	 tl_session_company_told, NULL, "Tells what others, or a person there, did in a session"},
	{"POST", "/v1/agent/sessions/:id/decision", HOST, TL_BODY_JSON, 16 * KIB,
	 tl_session_decided, NULL, "Tells what the person at the endpoint, or its policy, decided"},
	{"POST", "/v1/agent/sessions/:id/ended", HOST, TL_BODY_JSON, 4 * KIB, tl_session_ended_call,
	 NULL, "Tells that a session has ended on the endpoint"},
	GET("/v1/agent/stream", HOST, tl_agent_stream, "The host's push stream: grants and stops"),
	GET("/v1/audit", TL_ROLE_AUDITOR | ADMIN, tl_audit_show, "The audit trail as JSON lines"),
	GET("/v1/bundles/:id", READERS, tl_bundle_show, "What is known of a bundle"),
	GET("/v1/bundles/:id/content", STAFF, tl_bundle_content,
	    "The bundle itself (.tar.zst), with Range; each reading is audited"),
	GET("/v1/bundles/:id/signature", READERS, tl_bundle_signature,
	    "The endpoint's signature of the bundle (JWS)"),
	GET("/v1/callhome/:session", HOST, tl_callhome,
	    "Upgrades to towline-ssh: the endpoint serves SSH on the connection (RFC 8071)"),
	{"POST", "/v1/enroll", PUBLIC, TL_BODY_JSON, 16 * KIB, tl_enrol, NULL,
	 "Enrols a host with a one-time token"},
	{"POST", "/v1/enrolment-tokens", ADMIN, TL_BODY_JSON, KIB, tl_enrolment_token_create_call,
	 NULL, "Makes a one-time enrolment token"},
	GET("/v1/events", READERS, tl_events_stream, "Server-sent events: what changed"),
	GET("/v1/health", PUBLIC, tl_health_show, "Whether the relay can do its work"),
	GET("/v1/hosts", READERS, tl_host_list, "Hosts"),
	GET("/v1/hosts/:id", READERS, tl_host_show, "A host, by id or name"),
	GET("/v1/hosts/:id/health", READERS, tl_host_health_show,
	    "How a host is: its facts with their verdicts"),
	{"POST", "/v1/hosts/:id/revoke", ADMIN, TL_BODY_NONE, 0, tl_host_revoke_call, NULL,
	 "Takes a host's rights away for good"},
	GET("/v1/me", PEOPLE, tl_me_show, "Who the credentials belong to"),
	{"POST", "/v1/me/second-factor", PEOPLE, TL_BODY_JSON, KIB, tl_factor_begin_call, NULL,
	 "Draws a new second factor: its otpauth:// URI"},
	{"POST", "/v1/me/second-factor/confirm", PEOPLE, TL_BODY_JSON, KIB, tl_factor_confirm_call,
	 NULL, "Puts the drawn second factor into force with a code of it: recovery codes"},
	{"POST", "/v1/me/ssh-certificates", STAFF, TL_BODY_JSON, 16 * KIB,
	 tl_ssh_certificate_create_call, NULL,
	 "Issues a short-lived SSH certificate for one's own login"},
	{"POST", "/v1/oauth/token", PUBLIC, TL_BODY_FORM, 8 * KIB, tl_token_issue, NULL,
	 "Issues a host's access token for a signed assertion (RFC 7523)"},
	GET("/v1/relay", PUBLIC, tl_relay_show,
	    "The relay's identity: what an enrolling agent pins"),
	GET("/v1/roster", HOST | READERS, tl_roster_show_call,
	    "The roster of engineers with the signature of its offline key"),
	{"POST", "/v1/roster", ADMIN, TL_BODY_JSON, 256 * KIB, tl_roster_publish_call, NULL,
	 "Publishes a roster that the offline key signed"},
	GET("/v1/sessions", READERS, tl_session_list, "Sessions, newest first"),
	{"POST", "/v1/sessions", STAFF, TL_BODY_JSON, 32 * KIB, tl_session_create, NULL,
	 "Asks for a session without an SSH connection"},
	GET("/v1/sessions/:id", READERS, tl_session_show, "A session"),
	{"POST", "/v1/sessions/:id/give-back", STAFF, TL_BODY_NONE, 0, tl_session_give_back, NULL,
	 "Lets the session's engineer type again"},
	{"POST", "/v1/sessions/:id/input", STAFF, TL_BODY_JSON, 16 * KIB, tl_session_input, NULL,
	 "Types into a session that one has taken over"},
	GET("/v1/sessions/:id/live", READERS, tl_session_live,
	    "More lines of a running session's recording; for who watches it"),
	{"POST", "/v1/sessions/:id/note", STAFF, TL_BODY_JSON, 16 * KIB, tl_session_note_call, NULL,
	 "Says what was done in a session"},
	{"POST", "/v1/sessions/:id/pause", STAFF, TL_BODY_JSON, 4 * KIB, tl_session_pause_call,
	 NULL, "Lets nothing in or out of a session, until it is resumed"},
	GET("/v1/sessions/:id/proof", READERS, tl_session_proof,
	    "What proves a recording: keys and the relay's countersignature"),
	GET("/v1/sessions/:id/recording", READERS, tl_session_recording,
	    "A session's recording as JSON lines; each reading is audited"),
	{"POST", "/v1/sessions/:id/resume", STAFF, TL_BODY_JSON, 4 * KIB, tl_session_resume_call,
	 NULL, "Lets a paused session go on"},
	GET("/v1/sessions/:id/statement", READERS, tl_session_statement,
	    "What the engineer signed, and the signature"),
	{"POST", "/v1/sessions/:id/stop", STAFF, TL_BODY_JSON, 4 * KIB, tl_session_stop, NULL,
	 "Ends a session"},
	{"POST", "/v1/sessions/:id/take-over", STAFF, TL_BODY_NONE, 0, tl_session_take_over, NULL,
	 "Types instead of the session's engineer, as its second one; bastion lane"},
	GET("/v1/sessions/:id/terminal", STAFF | TL_ROLE_TICKET, tl_terminal_open,
	    "A WebSocket (terminal.towline.1): the terminal of one's own session in a browser"),
	{"POST", "/v1/sessions/:id/terminal-ticket", STAFF, TL_BODY_NONE, 0,
	 tl_terminal_ticket_call, NULL, "Makes a ticket that opens the WebSocket once"},
	GET("/v1/sessions/:id/watch", READERS, tl_session_watch,
	    "Server-sent events of a running session; who watches is seen, second=1 joins"),
	GET("/v1/targets/:target", STAFF, tl_target_show,
	    "A host or ticket as a session's target, and what a signed request for it names"),
	GET("/v1/tickets", READERS, tl_ticket_list, "Tickets, newest first"),
	{"POST", "/v1/tickets", HOST | STAFF | TL_ROLE_REQUESTER, TL_BODY_JSON, 128 * KIB,
	 tl_ticket_create, NULL, "Files a ticket; repeatable with Idempotency-Key"},
	GET("/v1/tickets/:number", READERS, tl_ticket_show,
	    "A ticket with its bundles and sessions"),
	{"PATCH", "/v1/tickets/:number", STAFF, TL_BODY_JSON, 64 * KIB, tl_ticket_update, NULL,
	 "Changes a ticket; needs If-Match"},
	GET("/v1/tickets/:number/timeline", READERS, tl_timeline_list,
	    "What happened on a ticket, oldest first"),
	{"POST", "/v1/tickets/:number/timeline", STAFF, TL_BODY_JSON, 64 * KIB, tl_timeline_add,
	 NULL, "Adds a work note"},
	{"DELETE", "/v1/tokens/:id", PEOPLE, TL_BODY_NONE, 0, tl_token_revoke_call, NULL,
	 "Revokes an API token: one's own, or any as admin"},
	{"OPTIONS", "/v1/uploads", PUBLIC, TL_BODY_NONE, 0, tl_upload_options, NULL,
	 "What the upload protocol (tus 1.0) offers"},
	{"POST", "/v1/uploads", HOST, TL_BODY_NONE, 0, tl_upload_create, NULL,
	 "Creates an upload of a bundle or a recording"},
	{"DELETE", "/v1/uploads/:id", HOST, TL_BODY_NONE, 0, tl_upload_terminate, NULL,
	 "Withdraws an upload that is not whole (tus)"},
	{"HEAD", "/v1/uploads/:id", HOST, TL_BODY_NONE, 0, tl_upload_show, NULL,
	 "How much of an upload is there"},
	{"PATCH", "/v1/uploads/:id", HOST, TL_BODY_STREAM, UPLOAD_MAX, NULL, &tl_upload_sink,
	 "Appends to an upload; the last byte starts intake"},
	GET("/v1/users", ADMIN | TL_ROLE_AUDITOR, tl_user_list_call, "Users"),
	{"POST", "/v1/users", ADMIN, TL_BODY_JSON, 8 * KIB, tl_user_create_call, NULL,
	 "Adds a user"},
	{"POST", "/v1/users/:login/disable", ADMIN, TL_BODY_NONE, 0, tl_user_disable_call, NULL,
	 "Locks a user out, and ends the user's sessions"},
	{"DELETE", "/v1/users/:login/keys", ADMIN, TL_BODY_NONE, 0, tl_user_key_remove_call, NULL,
	 "Takes an SSH key (?fingerprint=) away, and ends the user's sessions"},
	{"POST", "/v1/users/:login/keys", ADMIN, TL_BODY_JSON, 8 * KIB, tl_user_key_create_call,
	 NULL, "Registers an SSH public key of a user"},
	{"POST", "/v1/users/:login/tokens", PEOPLE, TL_BODY_JSON, KIB, tl_user_token_create_call,
	 NULL, "Makes an API token: one's own, or any as admin"},
};

const struct tl_http_route *tl_desk_routes(size_t *ret_count)
{
	*ret_count = TL_ARRAY_LEN(routes);
	return routes;
}
