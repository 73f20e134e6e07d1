/* Push streams: to a host, what it has to do; to engineers, what changed. */
#include <towline/log.h>
#include <towline/str.h>

#include "desk/change.h"
#include "desk/desk.h"
#include "desk/handlers.h"
#include "desk/reply.h"

#define PENDING_MAX (1024 * 1024)
/* An hour: then the agent authenticates anew, so that a revoked host is out by then at the latest. */
#define STREAM_LIFE_MS 3600000
#define SUPERSEDED_LIFE_MS 1000
#define SEEN_LATELY_MS 60000 /* a heartbeat follows before the host counts as offline */

static void add_event(struct tl_buf *out, const char *event, json_t *data)
{
	tl_json *owned = data;
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(PENDING_MAX);

	tl_json_write(&text, owned);
	tl_http_sse_format(out, NULL, event, tl_buf_str(&text));
}

static void add_hello(struct tl_buf *out, const struct tl_clock *clock)
{
	char now[TL_TIME_TEXT];

	tl_time_rfc3339(tl_clock_wall_ms(clock), now);
	add_event(out, "hello",
		  json_pack("{s:s, s:i}", "relay_time", now, "heartbeat_s", TL_DESK_HEARTBEAT_S));
}

/* Grants that wait for an answer, and running sessions that somebody has stopped. */
static int add_pending(struct tl_store *store, const char *host, int64_t now_ms, struct tl_buf *out,
		       struct tl_err *err)
{
	tl_auto(tl_rows) struct tl_rows *rows = NULL;
	int r = tl_store_query(
		store,
		"SELECT id, state, grant_jws, end_reason FROM session WHERE host_id = $1 "
		"AND ((state = 'requested' AND expires_ms > $2 AND grant_jws <> '' "
		"AND end_reason IS NULL) "
		"OR (state IN ('consented', 'open') AND end_reason IS NOT NULL)) ORDER BY id",
		TL_ARGS(TL_ARG_TEXT(host), TL_ARG_INT(now_ms)), &rows, err);

	if (r)
		return r;
	while ((r = tl_rows_next(rows, err)) > 0) {
		const char *session = tl_rows_text(rows, 0);

		if (tl_streq(tl_rows_text(rows, 1), "requested"))
			add_event(out, "grant",
				  json_pack("{s:s, s:s}", "session", session, "grant",
					    tl_rows_text(rows, 2)));
		else
			add_event(out, "stop",
				  json_pack("{s:s, s:s}", "session", session, "reason",
					    tl_rows_text(rows, 3)));
	}
	return r ? r : tl_buf_check(out);
}

static void add_company(void *arg, const json_t *company)
{
	add_event(arg, "company", json_deep_copy(company));
}

/* How the host's running sessions stand: what was told while nobody listened. */
static int add_standing(const struct tl_desk *desk, struct tl_store *store, const char *host,
			struct tl_buf *out, struct tl_err *err)
{
	tl_auto(tl_rows) struct tl_rows *rows = NULL;
	int r = tl_store_query(store,
			       "SELECT id, paused FROM session WHERE host_id = $1 AND state IN "
			       "('consented', 'open') AND end_reason IS NULL ORDER BY id",
			       TL_ARGS(TL_ARG_TEXT(host)), &rows, err);

	if (r)
		return r;
	while ((r = tl_rows_next(rows, err)) > 0) {
		const char *session = tl_rows_text(rows, 0);
		const char *by = tl_rows_is_null(rows, 1) ? NULL : tl_rows_text(rows, 1);

		add_event(out, by ? "pause" : "resume",
			  json_pack("{s:s, s:s*}", "session", session, "by", by));
		tl_presence_tell(desk->presence, session, desk->authority, desk->clock, add_company,
				 out);
	}
	return r ? r : tl_buf_check(out);
}

/* Two agents with one key: the newer generation wins. 1: this one is the older. One that comes again and
 * was heard of lately costs no write: after a relay's restart they all do at once. */
static int take_generation(struct tl_desk *desk, struct tl_store *store, const char *host,
			   const char *topic, int64_t generation, struct tl_err *err)
{
	tl_auto(tl_rows) struct tl_rows *row = NULL;
	int64_t known, seen_ms, changed = 0, now_ms = tl_clock_wall_ms(desk->clock);
	int r = tl_store_row(store, "SELECT generation, last_seen_ms FROM host WHERE id = $1",
			     TL_ARGS(TL_ARG_TEXT(host)), &row, err);

	if (r)
		return r;
	known = tl_rows_int(row, 0);
	seen_ms = tl_rows_int(row, 1);
	tl_rows_free(tl_steal(&row));
	if (known == generation && now_ms - seen_ms < SEEN_LATELY_MS)
		return 0;
	if ((r = tl_store_exec(store,
			       "UPDATE host SET generation = $2, last_seen_ms = $3 WHERE id = $1 "
			       "AND generation <= $2",
			       TL_ARGS(TL_ARG_TEXT(host), TL_ARG_INT(generation),
				       TL_ARG_INT(now_ms)),
			       &changed, err)))
		return r;
	if (changed && known > 0 && known < generation)
		tl_http_publish(desk->http, topic, NULL, "superseded", "{}");
	return changed ? 0 : 1;
}

static void reply_superseded(struct tl_http_call *call, const char *host)
{
	tl_auto(tl_buf) struct tl_buf first = TL_BUF_INIT(256);

	tl_log_warning("an older agent with the same key was turned away", TL_S("host", host));
	tl_http_sse_format(&first, NULL, "superseded", "{}");
	tl_http_stream(call, "nobody", &first, SUPERSEDED_LIFE_MS);
}

void tl_agent_stream(struct tl_http_call *call)
{
	struct tl_desk *desk = tl_desk_of(call);
	struct tl_store *store = tl_desk_store(call);
	const char *text = tl_http_query(call, "generation");
	tl_auto(tl_buf) struct tl_buf first = TL_BUF_INIT(PENDING_MAX);
	struct tl_err err = TL_ERR_INIT;
	char host[TL_ID_LEN + 1], topic[TL_TOPIC_MAX];
	int64_t generation;
	int r;

	memcpy(host, tl_http_principal(call)->id, sizeof host);
	tl_topic_of_host(host, topic);
	if (!text || tl_str_i64(text, 1, INT64_MAX, &generation))
		r = tl_err_set(&err, TL_EINVAL,
			       "generation must be the agent's start in milliseconds");
	else
		r = take_generation(desk, store, host, topic, generation, &err);
	if (r > 0) {
		reply_superseded(call, host);
		return;
	}
	add_hello(&first, desk->clock);
	/* Subscribed before it is read: what is published in between comes twice at worst, and the
	 * agent knows a session by its id. */
	if (r == 0 && (r = tl_http_subscribe(call, topic)))
		tl_err_set(&err, r, "out of memory");
	if (r == 0)
		r = add_pending(store, host, tl_clock_wall_ms(desk->clock), &first, &err);
	if (r == 0)
		r = add_standing(desk, store, host, &first, &err);
	if (r) {
		tl_reply_failure(call, NULL, &err);
		return;
	}
	tl_http_stream(call, topic, &first, STREAM_LIFE_MS);
}

void tl_events_stream(struct tl_http_call *call)
{
	tl_auto(tl_buf) struct tl_buf first = TL_BUF_INIT(1024);

	add_hello(&first, tl_desk_of(call)->clock);
	tl_http_stream(call, TL_TOPIC_ENGINEERS, &first, STREAM_LIFE_MS);
}
