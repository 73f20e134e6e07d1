#include "desk/change.h"

#include <stdio.h>
#include <towline/id.h>
#include <towline/str.h>

#include "desk/desk.h"
#include "store/audit.h"

#define DETAIL_MAX (256 * 1024)

void tl_topic_of_host(const char *host, char topic[static TL_TOPIC_MAX])
{
	snprintf(topic, TL_TOPIC_MAX, "host:%s", host);
}

void tl_topic_of_session(const char *session, char topic[static TL_TOPIC_MAX])
{
	snprintf(topic, TL_TOPIC_MAX, "session:%s", session);
}

void tl_change_init(struct tl_change *change, const struct tl_http_call *call,
		    int (*body)(struct tl_change *, void *, struct tl_err *), void *arg)
{
	const struct tl_principal *principal = tl_http_principal(call);
	struct tl_desk *desk = tl_desk_of(call);

	tl_change_init_system(change, tl_desk_store(call), desk->clock, desk->http, body, arg);
	change->address = tl_http_peer(call);
	if (principal->role & TL_ROLE_HOST) {
		change->actor_kind = "host";
		change->actor = principal->id;
	} else if (principal->role & ~TL_ROLE_NOBODY) {
		change->actor_kind = "user";
		change->actor = principal->login;
	} else {
		change->actor = "anonymous";
	}
}

void tl_change_init_system(struct tl_change *change, struct tl_store *store,
			   const struct tl_clock *clock, struct tl_http *http,
			   int (*body)(struct tl_change *, void *, struct tl_err *), void *arg)
{
	*change = (struct tl_change){
		.store = store,
		.clock = clock,
		.http = http,
		.actor_kind = "system",
		.actor = "relay",
		.body = body,
		.arg = arg,
	};
}

static int run_body(struct tl_store *store, void *arg, struct tl_err *err)
{
	struct tl_change *change = arg;

	(void)store;
	json_array_clear(change->hints);
	change->now_ms = tl_clock_wall_ms(change->clock);
	return change->body(change, change->arg, err);
}

static void publish_hints(const struct tl_change *change)
{
	const json_t *hint;
	size_t i;

	if (!change->http)
		return;
	json_array_foreach(change->hints, i, hint)
	{
		const char *topic, *event, *data;

		/* The hint was packed by add_hint below. */
		if (json_unpack((json_t *)(uintptr_t)hint, "[sss]", &topic, &event, &data) == 0)
			tl_http_publish(change->http, topic, NULL, event, data);
	}
}

int tl_change_run(struct tl_change *change, struct tl_err *err)
{
	tl_json *hints = json_array();
	int r;

	if (!hints)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	change->hints = hints;
	r = tl_store_transaction(change->store, run_body, change, err);
	if (r == 0)
		publish_hints(change);
	change->hints = NULL;
	return r;
}

static int add_hint(struct tl_change *change, const char *topic, const char *event,
		    const json_t *data, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(DETAIL_MAX);
	int r;

	tl_json_write(&text, data);
	if ((r = tl_buf_check(&text)))
		return tl_err_set(err, r, "the event is too long");
	if (json_array_append_new(change->hints,
				  json_pack("[sss]", topic, event, tl_buf_str(&text))))
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	return 0;
}

static int add_to_timeline(struct tl_change *change, const struct tl_fact *fact, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf body = TL_BUF_INIT(DETAIL_MAX);
	struct tl_id id = tl_id_new(change->clock);
	int r;

	tl_json_write(&body, fact->detail);
	if ((r = tl_buf_check(&body)))
		return tl_err_set(err, r, "the timeline entry is too long");
	/* A ticket's version tells apart all that its page shows, so every entry makes a new one. */
	if ((r = tl_store_exec(
		     change->store,
		     "UPDATE ticket SET updated_ms = $2, version = version + 1 WHERE id = $1",
		     TL_ARGS(TL_ARG_TEXT(fact->ticket), TL_ARG_INT(change->now_ms)), NULL, err)))
		return r;
	return tl_store_exec(
		change->store,
		"INSERT INTO timeline (id, ticket_id, at_ms, actor_kind, actor, kind, body) "
		"VALUES ($1, $2, $3, $4, $5, $6, $7)",
		TL_ARGS(TL_ARG_TEXT(id.text), TL_ARG_TEXT(fact->ticket), TL_ARG_INT(change->now_ms),
			TL_ARG_TEXT(change->actor_kind), TL_ARG_TEXT(change->actor),
			TL_ARG_TEXT(fact->kind), TL_ARG_TEXT(tl_buf_str(&body))),
		NULL, err);
}

/* What engineers' consoles hear: which object changed, so that they read it again. */
static int announce(struct tl_change *change, const struct tl_fact *fact, struct tl_err *err)
{
	tl_json *event = json_pack("{s:s, s:s, s:s?}", "object_kind", fact->object_kind, "object",
				   fact->object, "ticket", fact->ticket);
	int r;

	if (!event)
		return tl_err_set(err, TL_EINTERNAL, "cannot describe %s", fact->action);
	if ((r = tl_outbox_append(change->store, change->clock, TL_TOPIC_ENGINEERS, fact->action,
				  event, err)))
		return r;
	return add_hint(change, TL_TOPIC_ENGINEERS, fact->action, event, err);
}

int tl_change_tell(struct tl_change *change, const struct tl_fact *fact, struct tl_err *err)
{
	tl_json *detail = fact->detail ? fact->detail : json_object();
	struct tl_fact told = *fact;
	int r;

	told.detail = detail;
	if ((r = tl_audit_append(change->store, change->clock,
				 &(struct tl_audit_entry){.actor_kind = change->actor_kind,
							  .actor = change->actor,
							  .action = fact->action,
							  .object_kind = fact->object_kind,
							  .object = fact->object,
							  .address = change->address,
							  .detail = detail},
				 err)))
		return r;
	if (fact->ticket && (r = add_to_timeline(change, &told, err)))
		return r;
	return announce(change, &told, err);
}

static int push(struct tl_change *change, const char *topic, const char *event, json_t *data,
		struct tl_err *err)
{
	tl_json *owned = data;

	if (!owned)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	return add_hint(change, topic, event, owned, err);
}

int tl_change_push(struct tl_change *change, const char *host, const char *event, json_t *data,
		   struct tl_err *err)
{
	char topic[TL_TOPIC_MAX];

	tl_topic_of_host(host, topic);
	return push(change, topic, event, data, err);
}

int tl_change_show(struct tl_change *change, const char *session, const char *event, json_t *data,
		   struct tl_err *err)
{
	char topic[TL_TOPIC_MAX];

	tl_topic_of_session(session, topic);
	return push(change, topic, event, data, err);
}
