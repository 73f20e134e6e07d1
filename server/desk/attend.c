/* Watching a session live, and being its second engineer: an open stream is the presence. */
#include "desk/attend.h"

#include <stdio.h>
#include <string.h>
#include <towline/log.h>
#include <towline/str.h>

#include "desk/handlers.h"
#include "desk/session_fact.h"

/* As long as the longest session. */
#define STREAM_LIFE_MS ((int64_t)TL_GRANT_SESSION_MAX_S * 1000)
#define LIVE_BYTES_MAX (256 * 1024)
#define STAFF (TL_ROLE_ENGINEER | TL_ROLE_SUPERVISOR | TL_ROLE_ADMIN)

static void publish(const struct tl_desk *desk, const char *topic, const char *event,
		    const json_t *data)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(64 * 1024);

	tl_json_write(&text, data);
	if (desk->http && tl_buf_check(&text) == 0)
		tl_http_publish(desk->http, topic, NULL, event, tl_buf_str(&text));
}

/* ---- what the host hears ---------------------------------------------------------------------- */

struct telling {
	const struct tl_desk *desk;
	const char *host;
};

static void send_company(void *arg, const json_t *company)
{
	const struct telling *telling = arg;
	char topic[TL_TOPIC_MAX];

	tl_topic_of_host(telling->host, topic);
	publish(telling->desk, topic, "company", company);
}

static void tell_host(const struct tl_desk *desk, const char *session, const char *host)
{
	struct telling telling = {.desk = desk, .host = host};

	tl_presence_tell(desk->presence, session, desk->authority, desk->clock, send_company,
			 &telling);
}

void tl_attend_grew(const struct tl_desk *desk, const char *session)
{
	char topic[TL_TOPIC_MAX];

	if (!desk->http || !tl_presence_grew(desk->presence, session))
		return;
	tl_topic_of_session(session, topic);
	tl_http_publish(desk->http, topic, NULL, "grew", "{}");
}

/* ---- coming and going ------------------------------------------------------------------------- */

struct visit {
	struct tl_desk *desk;
	uint64_t id;
};

/* Any thread: the stream is over. */
static void on_stream_end(void *arg)
{
	tl_free struct visit *visit = arg;
	struct tl_attendee who;
	bool typed;

	tl_presence_leave(visit->desk->presence, visit->id, &who, &typed);
	if (typed)
		tl_broker_type(visit->desk->broker, who.session, NULL);
	tell_host(visit->desk, who.session, who.host);
}

struct watch_call {
	const struct tl_http_call *call;
	const struct tl_desk *desk;
	const char *session;
	bool second;
	struct tl_attendee who;
	char engineer[65];
	struct tl_problem problem;
};

static int check_watch(struct watch_call *w, const struct tl_rows *row, struct tl_err *err)
{
	const char *state = tl_rows_text(row, 3), *node = tl_rows_text(row, 4);

	if (!tl_streq(state, "consented") && !tl_streq(state, "open"))
		return tl_problem_set(&w->problem, err, 409, "session-not-running",
				      "the session does not run: it is %s", state);
	if (!tl_rows_is_null(row, 4) && !tl_streq(node, w->desk->node))
		return tl_problem_set(&w->problem, err, 409, "session-elsewhere",
				      "another relay of this store carries the session: %s", node);
	if (w->second && tl_streq(tl_rows_text(row, 2), w->who.login))
		return tl_problem_set(&w->problem, err, 403, "own-session",
				      "nobody is the second engineer of one's own session");
	if (w->second && !(tl_http_principal(w->call)->role & STAFF))
		return tl_err_set(err, TL_EDENIED, "only engineers and supervisors join a session");
	return 0;
}

static int find_session(struct tl_store *store, struct watch_call *w, struct tl_err *err)
{
	tl_auto(tl_rows) struct tl_rows *row = NULL;
	int r = tl_store_row(store,
			     "SELECT s.host_id, s.ticket_id, u.login, s.state, s.node, me.name "
			     "FROM session s JOIN app_user u ON u.id = s.user_id, app_user me "
			     "WHERE s.id = $1 AND me.id = $2",
			     TL_ARGS(TL_ARG_TEXT(w->session),
				     TL_ARG_TEXT(tl_http_principal(w->call)->id)),
			     &row, err);

	if (r == TL_ENOENT)
		return tl_err_set(err, r, "there is no session %s", w->session);
	if (r)
		return r;
	snprintf(w->who.session, sizeof w->who.session, "%s", w->session);
	snprintf(w->who.login, sizeof w->who.login, "%s", tl_http_principal(w->call)->login);
	snprintf(w->who.host, sizeof w->who.host, "%s", tl_rows_text(row, 0));
	snprintf(w->who.ticket, sizeof w->who.ticket, "%s", tl_rows_text(row, 1));
	snprintf(w->engineer, sizeof w->engineer, "%s", tl_rows_text(row, 2));
	snprintf(w->who.name, sizeof w->who.name, "%s", tl_rows_text(row, 5));
	w->who.second = w->second;
	return check_watch(w, row, err);
}

static int note_watch(struct tl_change *change, void *arg, struct tl_err *err)
{
	const struct watch_call *w = arg;
	struct tl_session_row row;
	int r = tl_session_load(change->store, w->session, &row, err);

	if (r)
		return r;
	return tl_session_tell(change, &row, w->second ? "session.join" : "session.watch",
			       w->second ? "session-joined" : "session-watched", json_object(),
			       err);
}

static int enter(struct tl_http_call *call, struct watch_call *w, struct tl_err *err)
{
	struct visit *visit = calloc(1, sizeof *visit);
	char topic[TL_TOPIC_MAX];
	int r = visit ? find_session(tl_desk_store(call), w, err)
		      : tl_err_set(err, TL_ENOMEM, "out of memory");

	tl_topic_of_session(w->session, topic);
	if (r == 0 && (r = tl_http_subscribe(call, topic)))
		tl_err_set(err, r, "out of memory");
	if (r == 0 && visit)
		r = tl_presence_join(w->desk->presence, &w->who, &visit->id, err);
	if (r || !visit) {
		free(visit);
		return r;
	}
	visit->desk = tl_desk_of(call);
	tl_http_on_stream_end(call, on_stream_end, visit);
	return 0;
}

void tl_session_watch(struct tl_http_call *call)
{
	struct watch_call w = {
		.call = call,
		.desk = tl_desk_of(call),
		.session = tl_http_param(call, "id"),
		.second = tl_streq(tl_http_query(call, "second"), "1"),
	};
	tl_auto(tl_buf) struct tl_buf first = TL_BUF_INIT(4096);
	struct tl_err err = TL_ERR_INIT;
	struct tl_change change;
	char topic[TL_TOPIC_MAX];
	int r = enter(call, &w, &err);

	if (r == 0) {
		tl_change_init(&change, call, note_watch, &w);
		r = tl_change_run(&change, &err);
	}
	if (r) {
		tl_reply_failure(call, &w.problem, &err);
		return;
	}
	tell_host(w.desk, w.who.session, w.who.host);
	tl_http_sse_format(&first, NULL, "grew", "{}");
	tl_topic_of_session(w.who.session, topic);
	tl_http_stream(call, topic, &first, STREAM_LIFE_MS);
}

/* ---- reading along ---------------------------------------------------------------------------- */

/* Whole lines only. */
static int read_lines(const struct tl_desk *desk, const char *session, uint64_t from,
		      struct tl_buf *out, struct tl_err *err)
{
	char blob[TL_ID_LEN + 5];
	tl_free char *bytes = malloc(LIVE_BYTES_MAX);
	tl_fd int fd = -1;
	uint64_t size;
	ssize_t got;
	int r;

	snprintf(blob, sizeof blob, "rec-%s", session);
	r = tl_blob_read(desk->blobs, blob, &fd, &size, err);
	if (r == TL_ENOENT)
		return 0; /* it has not begun */
	if (r)
		return r;
	got = bytes ? pread(fd, bytes, LIVE_BYTES_MAX, (off_t)from) : -1;
	if (got < 0)
		return tl_err_set(err, TL_EIO, "the recording cannot be read");
	while (got > 0 && bytes[got - 1] != '\n')
		got--;
	tl_buf_append(out, bytes, (size_t)got);
	return tl_buf_check(out);
}

void tl_session_live(struct tl_http_call *call)
{
	const struct tl_desk *desk = tl_desk_of(call);
	const char *session = tl_http_param(call, "id"), *text = tl_http_query(call, "from");
	tl_auto(tl_buf) struct tl_buf lines = TL_BUF_INIT(LIVE_BYTES_MAX);
	struct tl_err err = TL_ERR_INIT;
	struct tl_problem problem = TL_PROBLEM_INIT;
	uint64_t from = 0;
	int r = 0;

	if (text && tl_str_u64(text, INT64_MAX, &from) != 0)
		r = tl_err_set(&err, TL_EINVAL, "from is a number of bytes");
	else if (!tl_presence_has(desk->presence, session, tl_http_principal(call)->login, false))
		r = tl_problem_set(&problem, &err, 409, "not-watching",
				   "open /v1/sessions/%s/watch first: who watches is seen",
				   session);
	if (r == 0) {
		tl_presence_reads(desk->presence, session); /* before: nothing is missed */
		r = read_lines(desk, session, from, &lines, &err);
	}
	if (r)
		tl_reply_failure(call, &problem, &err);
	else
		tl_http_reply_bytes(call, 200, "application/x-ndjson", lines.data, lines.len);
}

/* ---- chores ----------------------------------------------------------------------------------- */

static int note_departure(struct tl_change *change, void *arg, struct tl_err *err)
{
	const struct tl_attendee *who = arg;
	struct tl_session_row row;
	int r = tl_session_load(change->store, who->session, &row, err);

	return r ? r
		 : tl_session_tell(change, &row, "session.leave", "session-left",
				   json_pack("{s:b}", "second", who->second), err);
}

static void vouch(void *arg, const char *session, const char *host)
{
	tell_host(arg, session, host);
}

int tl_attend_chores(struct tl_desk *desk, struct tl_store *store, struct tl_err *err)
{
	struct tl_attendee who;
	int r = 0;

	tl_presence_each_second(desk->presence, vouch, desk);
	while (r == 0 && tl_presence_next_departure(desk->presence, &who)) {
		struct tl_change change;

		tl_change_init_system(&change, store, desk->clock, desk->http, note_departure,
				      &who);
		change.actor_kind = "user";
		change.actor = who.login;
		r = tl_change_run(&change, err);
	}
	return r;
}
