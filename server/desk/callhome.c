/* The call home: an endpoint's connection becomes the stream on which it serves SSH, and, where that
 * breaks, another connection goes on with it. */
#include <stdio.h>
#include <towline/line.h>
#include <towline/log.h>
#include <towline/str.h>

#include "desk/desk.h"
#include "desk/handlers.h"
#include "desk/session_fact.h"

#define PROTOCOL "towline-ssh"

struct callhome {
	struct tl_desk *desk;
	char session[TL_ID_LEN + 1];
};

struct callhome_call {
	const struct tl_http_call *call;
	const char *session;
	int64_t away_ms; /* of a resumption */
	struct tl_problem problem;
};

/* ---- the first time --------------------------------------------------------------------------- */

/* Loop thread: the endpoint's stream meets the engineer who waits for it. */
static void on_open(void *arg, int fd)
{
	const struct callhome *callhome = arg;
	struct tl_err err = TL_ERR_INIT;

	if (fd < 0)
		return;
	if (tl_broker_deliver(callhome->desk->broker, callhome->session, fd, &err)) {
		tl_log_warning("a call home found nobody", TL_S("session", callhome->session),
			       TL_ERR(&err));
		close(fd);
	}
}

static void on_lost(void *arg)
{
	const struct callhome *callhome = arg;
	char sentence[128];

	snprintf(sentence, sizeof sentence,
		 "the connection to the endpoint was lost and did not come back within %lld s",
		 (long long)(callhome->desk->resume_ms + 999) / 1000);
	/* A session that does not run yet hears it as the end of its stream. */
	if (tl_broker_stop_session(callhome->desk->broker, callhome->session, sentence) == 0)
		tl_log_warning("a session ends: its endpoint did not come back",
			       TL_S("session", callhome->session));
}

static int note_callhome(struct tl_change *change, void *arg, struct tl_err *err)
{
	struct callhome_call *c = arg;
	struct tl_session_row row;
	int r = tl_session_load_own(c->call, change->store, c->session, &row, err);

	return r ? r : tl_session_call_home(change, &row, &c->problem, err);
}

/* An endpoint that does not speak of lines gets a plain stream. */
static int open_stream(struct tl_http_call *call, struct callhome *callhome, bool offers_line)
{
	struct tl_http_line_config config = {
		.name = offers_line && callhome->desk->resume_ms > 0 ? callhome->session : NULL,
		.gap_ms = callhome->desk->resume_ms,
		.on_open = on_open,
		.on_lost = on_lost,
		.on_free = free,
		.arg = callhome,
	};

	return tl_http_line(call, PROTOCOL, &config);
}

static void begin(struct tl_http_call *call, struct callhome_call *c, bool offers_line)
{
	struct callhome *callhome = calloc(1, sizeof *callhome);
	struct tl_err err = TL_ERR_INIT;
	struct tl_change change;
	int r;

	tl_change_init(&change, call, note_callhome, c);
	r = callhome ? tl_change_run(&change, &err) : tl_err_set(&err, TL_ENOMEM, "out of memory");
	if (r || !callhome) {
		free(callhome);
		tl_reply_failure(call, &c->problem, &err);
		return;
	}
	callhome->desk = tl_desk_of(call);
	snprintf(callhome->session, sizeof callhome->session, "%s", c->session);
	if (open_stream(call, callhome, offers_line) < 0)
		free(callhome);
}

/* ---- again ------------------------------------------------------------------------------------ */

/* Before anything is written: a token that opens nothing leaves no trace on the ticket. */
static int check_token(struct callhome_call *c, const char *token, struct tl_err *err)
{
	struct tl_http *http = tl_desk_of(c->call)->http;
	int r = tl_http_line_check(http, c->session, token, &c->away_ms);

	if (r == TL_ENOENT)
		return tl_problem_set(&c->problem, err, 409, "session-elsewhere",
				      "the session's stream is not at this relay");
	if (r)
		return tl_problem_set(&c->problem, err, 403, "resume-refused",
				      "the stream does not go on with this token");
	return 0;
}

static int note_resumption(struct tl_change *change, void *arg, struct tl_err *err)
{
	struct callhome_call *c = arg;
	struct tl_session_row row;
	int r = tl_session_load_own(c->call, change->store, c->session, &row, err);

	return r ? r : tl_session_resume(change, &row, c->away_ms, &c->problem, err);
}

/* Whose session it is, and that it has not ended, comes before the token: an answer about another host's
 * token would be told to who only guesses. */
static int check_session(struct callhome_call *c, struct tl_err *err)
{
	struct tl_session_row row;
	int r = tl_session_load_own(c->call, tl_desk_store(c->call), c->session, &row, err);

	if (r || tl_streq(row.state, "open"))
		return r;
	return tl_problem_set(&c->problem, err, 410, "session-over", "the session is %s",
			      row.state);
}

static void go_on(struct tl_http_call *call, struct callhome_call *c,
		  const struct tl_line_hello *hello)
{
	struct tl_err err = TL_ERR_INIT;
	struct tl_change change;
	int r = check_session(c, &err);

	if (r == 0)
		r = check_token(c, hello->token, &err);
	if (r == 0) {
		tl_change_init(&change, call, note_resumption, c);
		r = tl_change_run(&change, &err);
	}
	if (r) {
		tl_reply_failure(call, &c->problem, &err);
		return;
	}
	if (tl_http_line_resume(call, PROTOCOL, c->session, hello) == 0)
		tl_log_info("a session goes on", TL_S("session", c->session),
			    TL_I("away_ms", c->away_ms));
}

/* ---- the route -------------------------------------------------------------------------------- */

void tl_callhome(struct tl_http_call *call)
{
	struct callhome_call c = {.call = call, .session = tl_http_param(call, "session")};
	const char *field = tl_http_header(call, "towline-line");
	struct tl_line_hello hello = {.token = ""};
	struct tl_err err = TL_ERR_INIT;
	int r = field ? tl_line_hello_parse(field, &hello) : TL_EUNSUPPORTED;

	if (!tl_streq(tl_http_header(call, "upgrade"), PROTOCOL)) {
		tl_problem_set(&c.problem, &err, 426, "upgrade-required",
			       "a call home upgrades to " PROTOCOL);
		tl_reply_failure(call, &c.problem, &err);
	} else if (r == TL_EINVAL) {
		tl_problem_set(&c.problem, &err, 400, "line-invalid",
			       "the field " TL_LINE_FIELD " is not valid");
		tl_reply_failure(call, &c.problem, &err);
	} else if (hello.token[0]) {
		go_on(call, &c, &hello);
	} else {
		begin(call, &c, r == 0);
	}
}
