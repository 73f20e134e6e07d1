#include "desk/forward.h"

#include <stddef.h>
#include <stdio.h>
#include <towline/forward.h>
#include <towline/json.h>

#include "desk/change.h"
#include "desk/desk.h"
#include "desk/handlers.h"
#include "desk/reply.h"
#include "desk/session.h"

#define MINUTES 60

/* ---- what stands ------------------------------------------------------------------------------ */

void tl_forward_wish_clear(struct tl_forward_wish *wish)
{
	tl_strv_clear(&wish->forwards);
	wish->scopes = 0;
}

static int read_places(const json_t *array, struct tl_strv *places, struct tl_err *err)
{
	const json_t *item;
	size_t i;

	json_array_foreach(array, i, item)
	{
		const char *text = json_string_value(item);
		int r = text ? tl_strv_push(places, text) : TL_EINVAL;

		if (r)
			return tl_err_set(err, r, "forwards is a list of texts");
	}
	return tl_forward_check_all(places, err);
}

int tl_forward_wish_load(struct tl_store *store, const char *engineer_id, const char *host,
			 int64_t now_ms, struct tl_forward_wish *ret_wish, struct tl_err *err)
{
	tl_auto(tl_rows) struct tl_rows *row = NULL;
	tl_json *places = NULL;
	const char *text;
	int r = tl_store_row(store,
			     "SELECT forwards, agent FROM forward_wish WHERE user_id = $1 AND "
			     "host_id = $2 AND expires_ms > $3",
			     TL_ARGS(TL_ARG_TEXT(engineer_id), TL_ARG_TEXT(host),
				     TL_ARG_INT(now_ms)),
			     &row, err);

	if (r == TL_ENOENT) {
		*err = (struct tl_err)TL_ERR_INIT;
		return 0;
	}
	if (r)
		return r;
	text = tl_rows_text(row, 0);
	if ((r = tl_json_parse(text, strlen(text), &places, err)) ||
	    (r = read_places(places, &ret_wish->forwards, err)))
		return r;
	if (ret_wish->forwards.count > 0)
		ret_wish->scopes |= TL_SCOPE_FORWARDING;
	if (tl_rows_int(row, 1))
		ret_wish->scopes |= TL_SCOPE_AGENT;
	return 0;
}

/* ---- asking ----------------------------------------------------------------------------------- */

struct wishing {
	const char *target;
	json_t *forwards;
	bool agent;
	int64_t minutes, expires_ms;
	const struct tl_http_call *call;
	struct tl_session_target host;
	char places[TL_FORWARDS_MAX * (TL_FORWARD_PATTERN_MAX + 4)];
};

static const struct tl_json_member wishing_members[] = {
	{"agent", TL_JSON_BOOL, false, offsetof(struct wishing, agent)},
	{"forwards", TL_JSON_ARRAY, false, offsetof(struct wishing, forwards), 0, TL_FORWARDS_MAX},
	{"minutes", TL_JSON_INT, false, offsetof(struct wishing, minutes), 1,
	 TL_FORWARD_WISH_MAX_MINUTES},
	{"target", TL_JSON_NAME, true, offsetof(struct wishing, target), 0, 255},
};

static int tell(struct tl_change *change, const struct wishing *wishing, struct tl_err *err)
{
	tl_auto(tl_rows) struct tl_rows *row = NULL;
	char ticket[TL_ID_LEN + 1];
	int r = tl_store_row(change->store, "SELECT id FROM ticket WHERE number = $1",
			     TL_ARGS(TL_ARG_TEXT(wishing->host.ticket)), &row, err);

	if (r)
		return r;
	snprintf(ticket, sizeof ticket, "%s", tl_rows_text(row, 0));
	tl_rows_free(tl_steal(&row));
	return tl_change_tell(
		change,
		&(struct tl_fact){.action = "forward.ask",
				  .object_kind = "host",
				  .object = wishing->host.host,
				  .ticket = ticket,
				  .kind = "forward-asked",
				  .detail = json_pack("{s:s, s:O, s:b, s:I}", "host",
						      wishing->host.host_name, "forwards",
						      wishing->forwards, "agent", wishing->agent,
						      "minutes", (json_int_t)wishing->minutes)},
		err);
}

static int write_wish(struct tl_change *change, void *arg, struct tl_err *err)
{
	struct wishing *wishing = arg;
	const char *engineer = tl_http_principal(wishing->call)->id;
	int r = tl_store_exec(
		change->store,
		"DELETE FROM forward_wish WHERE expires_ms <= $1 OR (user_id = $2 AND "
		"host_id = $3)",
		TL_ARGS(TL_ARG_INT(change->now_ms), TL_ARG_TEXT(engineer),
			TL_ARG_TEXT(wishing->host.host)),
		NULL, err);

	wishing->expires_ms = change->now_ms + wishing->minutes * 60000;
	if (r == 0 && (wishing->agent || json_array_size(wishing->forwards) > 0))
		r = tl_store_exec(change->store,
				  "INSERT INTO forward_wish (user_id, host_id, forwards, agent, "
				  "expires_ms) VALUES ($1, $2, $3, $4, $5)",
				  TL_ARGS(TL_ARG_TEXT(engineer), TL_ARG_TEXT(wishing->host.host),
					  TL_ARG_TEXT(wishing->places), TL_ARG_INT(wishing->agent),
					  TL_ARG_INT(wishing->expires_ms)),
				  NULL, err);
	return r ? r : tell(change, wishing, err);
}

static int ask(struct tl_http_call *call, struct wishing *wishing, struct tl_err *err)
{
	tl_auto(tl_strv) struct tl_strv places = TL_STRV_INIT;
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(sizeof wishing->places - 1);
	struct tl_change change;
	int r = tl_json_read(tl_http_json(call), wishing_members, TL_ARRAY_LEN(wishing_members),
			     wishing, err);

	if (r || (r = read_places(wishing->forwards, &places, err)) ||
	    (r = tl_session_resolve(tl_desk_store(call), wishing->target, &wishing->host, err)))
		return r;
	tl_json_write(&text, wishing->forwards);
	if ((r = tl_buf_check(&text)))
		return tl_err_set(err, r, "the list of places is too long");
	snprintf(wishing->places, sizeof wishing->places, "%s", tl_buf_str(&text));
	tl_change_init(&change, call, write_wish, wishing);
	return tl_change_run(&change, err);
}

void tl_forward_ask(struct tl_http_call *call)
{
	tl_json *none = json_array();
	struct wishing wishing = {.minutes = MINUTES, .forwards = none, .call = call};
	struct tl_err err = TL_ERR_INIT;
	char expires[TL_TIME_TEXT];
	int r = ask(call, &wishing, &err);

	if (r) {
		tl_reply_failure(call, NULL, &err);
		return;
	}
	tl_time_rfc3339(wishing.expires_ms, expires);
	tl_http_reply(call, 201,
		      json_pack("{s:s, s:s, s:O, s:b, s:s}", "host", wishing.host.host_name,
				"ticket", wishing.host.ticket, "forwards", wishing.forwards,
				"agent", wishing.agent, "expires", expires));
}
