/* A terminal in a browser: the ticket for its WebSocket, and the WebSocket. */
#include "desk/terminals.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <towline/str.h>

#include "desk/desk.h"
#include "desk/handlers.h"
#include "desk/session_fact.h"

#define PROTOCOL "terminal.towline.1"
#define MESSAGE_MAX ((size_t)1024 * 1024)
#define ORIGIN_MAX 300

/* ---- whose ------------------------------------------------------------------------------------ */

/* What check_terminal reads. */
#define TERMINAL_SQL \
	"SELECT s.user_id, s.state, s.lane, s.scopes, s.node, s.claimed_ms, h.name, t.number, " \
	"u.login, u.name FROM session s JOIN host h ON h.id = s.host_id JOIN ticket t ON t.id = " \
	"s.ticket_id JOIN app_user u ON u.id = s.user_id WHERE s.id = $1"

static void copy(char *to, size_t size, const struct tl_rows *row, int column)
{
	snprintf(to, size, "%s", tl_rows_text(row, column));
}

/* Goes on in a terminal here, or waits to be taken up by one. */
static bool is_for_terminal(const struct tl_http_call *call, const struct tl_rows *row,
			    const struct tl_terminal_ask *ask)
{
	const struct tl_desk *desk = tl_desk_of(call);

	if (!(ask->scopes & TL_SCOPE_TERMINAL) ||
	    !tl_streq(tl_rows_text(row, 2), tl_lane_name(TL_LANE_BASTION)) ||
	    !tl_streq(tl_rows_text(row, 4), desk->node))
		return false;
	return tl_rows_is_null(row, 5) || tl_terminals_has(desk->terminals, ask->session);
}

/* The caller's own session, with a terminal or for one. */
static int check_terminal(const struct tl_http_call *call, struct tl_terminal_ask *ask,
			  struct tl_problem *problem, struct tl_err *err)
{
	const char *session = tl_http_param(call, "id");
	tl_auto(tl_rows) struct tl_rows *row = NULL;
	int r = tl_store_row(tl_desk_store(call), TERMINAL_SQL, TL_ARGS(TL_ARG_TEXT(session)), &row,
			     err);

	if (r == TL_ENOENT)
		return tl_err_set(err, r, "there is no session %s", session);
	if (r || (r = tl_scopes_parse(tl_rows_text(row, 3), &ask->scopes, err)))
		return r;
	if (!tl_streq(tl_rows_text(row, 0), tl_http_principal(call)->id))
		return tl_err_set(err, TL_EACCES, "session %s is another engineer's", session);
	snprintf(ask->session, sizeof ask->session, "%s", session);
	snprintf(ask->address, sizeof ask->address, "%s", tl_http_peer(call));
	copy(ask->engineer.id, sizeof ask->engineer.id, row, 0);
	copy(ask->host_name, sizeof ask->host_name, row, 6);
	copy(ask->ticket, sizeof ask->ticket, row, 7);
	copy(ask->engineer.login, sizeof ask->engineer.login, row, 8);
	copy(ask->engineer.name, sizeof ask->engineer.name, row, 9);
	if (tl_streq(tl_rows_text(row, 1), "ended") || tl_streq(tl_rows_text(row, 1), "refused"))
		return tl_problem_set(problem, err, 409, "session-over",
				      "the session is %s already", tl_rows_text(row, 1));
	if (!is_for_terminal(call, row, ask))
		return tl_problem_set(
			problem, err, 409, "no-terminal",
			"session %s has no terminal for a browser here: it was taken "
			"up by SSH, is in the other lane, lacks the scope terminal, or "
			"is another relay node's",
			session);
	return 0;
}

void tl_terminal_ticket_call(struct tl_http_call *call)
{
	const struct tl_desk *desk = tl_desk_of(call);
	char ticket[TL_TERMINAL_TICKET_TEXT], expires[TL_TIME_TEXT];
	int64_t now_ms = tl_clock_wall_ms(desk->clock);
	struct tl_problem problem = TL_PROBLEM_INIT;
	struct tl_terminal_ask ask = {.session = ""};
	struct tl_err err = TL_ERR_INIT;

	if (check_terminal(call, &ask, &problem, &err) ||
	    tl_terminals_ticket(desk->terminals, tl_http_param(call, "id"),
				tl_http_principal(call)->id, now_ms, ticket, &err)) {
		tl_reply_failure(call, &problem, &err);
		return;
	}
	tl_time_rfc3339(now_ms + TL_TERMINAL_TICKET_LIFE_MS, expires);
	tl_http_add_header(call, "Cache-Control", "no-store");
	tl_http_reply(call, 201,
		      json_pack("{s:s, s:s, s:s}", "ticket", ticket, "expires", expires, "protocol",
				PROTOCOL));
}

/* ---- from where ------------------------------------------------------------------------------- */

/* "https://HOST:PORT/path" → "https://HOST[:PORT]", the port only where it is not 443. */
static void origin_of(const char *url, char origin[static ORIGIN_MAX])
{
	size_t scheme = strlen("https://");
	size_t len = scheme + strcspn(url + scheme, "/?#");

	if (len > scheme + 4 && strncmp(url + len - 4, ":443", 4) == 0)
		len -= 4;
	snprintf(origin, ORIGIN_MAX, "%.*s", (int)len, url);
}

/* A page of ours, or no page at all: then there are credentials that no page can send. */
static bool is_own_origin(const struct tl_http_call *call)
{
	const char *origin = tl_http_header(call, "origin");
	const char *host = tl_http_header(call, "host");
	const char *public_url = tl_desk_of(call)->public_url;
	char url[ORIGIN_MAX], own[ORIGIN_MAX];

	if (!origin)
		return !(tl_http_principal(call)->role & TL_ROLE_TICKET);
	snprintf(url, sizeof url, "https://%s", host ? host : "");
	origin_of(public_url && *public_url ? public_url : url, own);
	return strcasecmp(origin, own) == 0;
}

/* ---- the WebSocket ---------------------------------------------------------------------------- */

struct opening {
	struct tl_terminals *terminals;
	struct tl_terminal_ask ask;
	bool fresh;
};

static void on_open(void *arg, int fd)
{
	struct opening *opening = arg;

	tl_terminals_attach(opening->terminals, &opening->ask, fd);
	free(opening);
}

static int note_opening(struct tl_change *change, void *arg, struct tl_err *err)
{
	const struct opening *opening = arg;

	return tl_change_tell(change,
			      &(struct tl_fact){.action = "session.terminal",
						.object_kind = "session",
						.object = opening->ask.session},
			      err);
}

static int prepare(struct tl_http_call *call, struct opening *opening, struct tl_problem *problem,
		   struct tl_err *err)
{
	struct tl_change change;
	int r;

	if (!is_own_origin(call))
		return tl_problem_set(problem, err, 403, "origin",
				      "a terminal is opened by a page of this relay");
	if ((r = check_terminal(call, &opening->ask, problem, err)))
		return r;
	tl_change_init(&change, call, note_opening, opening);
	if ((r = tl_change_run(&change, err)))
		return r;
	opening->terminals = tl_desk_of(call)->terminals;
	return tl_terminals_reserve(opening->terminals, opening->ask.session,
				    opening->ask.engineer.id, &opening->fresh, err);
}

void tl_terminal_open(struct tl_http_call *call)
{
	tl_free struct opening *opening = calloc(1, sizeof *opening);
	struct tl_problem problem = TL_PROBLEM_INIT;
	struct tl_err err = TL_ERR_INIT;
	struct tl_http_ws ws = {
		.protocol = PROTOCOL,
		.max_message = MESSAGE_MAX,
		.on_open = on_open,
		.arg = opening,
	};
	int r = opening ? prepare(call, opening, &problem, &err)
			: tl_err_set(&err, TL_ENOMEM, "out of memory");

	if (r)
		tl_reply_failure(call, &problem, &err);
	else if (tl_http_websocket(call, &ws) == 0)
		(void)tl_steal(&opening);
	else if (opening->fresh)
		tl_terminals_ended(opening->terminals, opening->ask.session);
}
