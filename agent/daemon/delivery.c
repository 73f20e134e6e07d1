#include "daemon/delivery.h"

#include <fcntl.h>
#include <stdio.h>
#include <towline/fs.h>
#include <towline/jwt.h>
#include <towline/log.h>
#include <towline/str.h>

#include "core/backoff.h"
#include "daemon/upload.h"

#define TICKET_TIMEOUT_MS 60000

enum delivery_state {
	DELIVERY_IDLE,
	DELIVERY_TICKET,
	DELIVERY_RECEIPT, /* the person's receipt gets the ticket's number */
	DELIVERY_UPLOAD,
	DELIVERY_WAITING
};
enum delivery_event {
	DELIVERY_EV_QUEUED,
	DELIVERY_EV_REACHABLE,
	DELIVERY_EV_TIMER,
	DELIVERY_EV_NEXT,
	DELIVERY_EV_TROUBLE
};

struct tl_delivery {
	struct tl_delivery_options options;
	enum delivery_state state;
	struct tl_item *item; /* the queue's first, while not idle */
	struct tl_call *call;
	struct tl_upload *upload;
	int bundle_fd;
	uv_timer_t timer;
	struct tl_backoff backoff;
};

static void delivery_step(struct tl_delivery *delivery, enum delivery_event event);

void tl_bundle_file_name(const char *help_id, char name[static 64])
{
	snprintf(name, 64, "%.32s.tar.zst", help_id);
}

static void on_timer(uv_timer_t *timer)
{
	delivery_step(timer->data, DELIVERY_EV_TIMER);
}

static void note_trouble(struct tl_delivery *delivery, const struct tl_err *err)
{
	snprintf(delivery->item->text, sizeof(delivery->item->text), "%s", tl_err_text(err));
	tl_log_warning("delivery waits", TL_S("help_id", delivery->item->help_id), TL_ERR(err));
}

/* Changes the item's state, durably. When the disk refuses, the old state is kept and tried again. */
static int advance(struct tl_delivery *delivery, enum tl_item_state state, const char *text)
{
	struct tl_item *item = delivery->item;
	enum tl_item_state before = item->state;
	struct tl_err err = TL_ERR_INIT;

	item->state = state;
	snprintf(item->text, sizeof(item->text), "%s", text);
	if (tl_queue_save(delivery->options.queue, item, &err) == 0)
		return 0;
	item->state = before;
	note_trouble(delivery, &err);
	return err.code;
}

static void remove_bundle(struct tl_delivery *delivery, const char *help_id)
{
	char name[64];

	tl_bundle_file_name(help_id, name);
	if (unlinkat(delivery->options.bundles_fd, name, 0) != 0)
		return; /* what nothing refers to is removed at the next start */
}

static void finish(struct tl_delivery *delivery, enum tl_item_state state, const struct tl_err *err)
{
	struct tl_id id;
	const char *help_id = id.text;

	snprintf(id.text, sizeof(id.text), "%s", delivery->item->help_id);
	if (advance(delivery, state, err ? tl_err_text(err) : "") != 0) {
		delivery_step(delivery, DELIVERY_EV_TROUBLE);
		return;
	}
	if (err)
		tl_log_error("help request failed", TL_S("help_id", help_id), TL_ERR(err));
	else
		tl_log_info("help request delivered", TL_S("help_id", help_id));
	remove_bundle(delivery, help_id);
	tl_backoff_reset(&delivery->backoff);
	delivery_step(delivery, DELIVERY_EV_NEXT);
}

static bool is_final(const struct tl_reply *reply)
{
	static const int statuses[] = {400, 404, 409, 413, 415, 422};

	for (size_t i = 0; i < TL_ARRAY_LEN(statuses); i++) {
		if (reply->status == statuses[i])
			return true;
	}
	return false;
}

static void on_ticket(void *arg, const struct tl_reply *reply)
{
	struct tl_delivery *delivery = arg;
	struct tl_item *item = delivery->item;
	const char *number = json_string_value(json_object_get(reply->json, "number"));

	delivery->call = NULL;
	if ((reply->status == 200 || reply->status == 201) && number &&
	    tl_str_is_name(number, sizeof(item->ticket) - 1)) {
		snprintf(item->ticket, sizeof(item->ticket), "%s", number);
		tl_backoff_reset(&delivery->backoff);
		delivery_step(delivery, advance(delivery, TL_ITEM_UPLOAD, "") == 0
						? DELIVERY_EV_NEXT
						: DELIVERY_EV_TROUBLE);
	} else if (is_final(reply)) {
		finish(delivery, TL_ITEM_FAILED, &reply->err);
	} else {
		struct tl_err err = reply->err;

		if (!err.code)
			tl_err_set(&err, TL_EPROTO, "the relay's answer names no ticket");
		note_trouble(delivery, &err);
		tl_backoff_ask(&delivery->backoff, reply->retry_after_ms);
		delivery_step(delivery, DELIVERY_EV_TROUBLE);
	}
}

static void ask_ticket(struct tl_delivery *delivery)
{
	const struct tl_item *item = delivery->item;
	char key[64];
	const char *const headers[] = {key, NULL};
	tl_json *body = json_pack("{s:s, s:{s:s}}", "summary", item->summary, "requester", "name",
				  item->user);

	snprintf(key, sizeof(key), "Idempotency-Key: %s", item->help_id);
	delivery->call = tl_relay_call(delivery->options.relay,
				       &(struct tl_call_spec){.method = "POST",
							      .path = "/v1/tickets",
							      .json = body,
							      .headers = headers,
							      .timeout_ms = TICKET_TIMEOUT_MS,
							      .on_done = on_ticket,
							      .arg = delivery});
	if (!delivery->call)
		delivery_step(delivery, DELIVERY_EV_TROUBLE);
}

static int sign_bundle(const struct tl_delivery *delivery, struct tl_buf *out, struct tl_err *err)
{
	const struct tl_relay *relay = delivery->options.relay;
	const struct tl_item *item = delivery->item;
	const struct tl_identity *identity = tl_relay_identity(relay);
	tl_json *claims =
		json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:s, s:I}", "iss", identity->host_id,
			  "aud", identity->relay_id, "bundle", item->bundle, "sha256", item->sha256,
			  "index_sha256", item->index_sha256, "size", (json_int_t)item->size,
			  "ticket", item->ticket, "iat",
			  (json_int_t)(tl_relay_now_ms(relay) / 1000));

	if (!claims)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	return tl_jwt_sign(tl_relay_key(relay), TL_JWT_BUNDLE, claims, out, err);
}

static void on_progress(void *arg, int64_t sent)
{
	struct tl_delivery *delivery = arg;

	delivery->item->sent = sent;
	delivery->item->text[0] = '\0';
}

static void on_trouble(void *arg, const struct tl_err *err)
{
	note_trouble(arg, err);
}

static void close_bundle(struct tl_delivery *delivery)
{
	tl_upload_close(tl_steal(&delivery->upload));
	if (delivery->bundle_fd >= 0)
		close(tl_steal_fd(&delivery->bundle_fd));
}

static void on_upload_end(void *arg, const struct tl_err *err)
{
	struct tl_delivery *delivery = arg;

	close_bundle(delivery);
	finish(delivery, err ? TL_ITEM_FAILED : TL_ITEM_DONE, err);
}

static int start_upload(struct tl_delivery *delivery, struct tl_err *err)
{
	const struct tl_item *item = delivery->item;
	tl_auto(tl_buf) struct tl_buf metadata = TL_BUF_INIT(65536);
	tl_auto(tl_buf) struct tl_buf jws = TL_BUF_INIT(16384);
	char name[64];
	int rc;

	tl_bundle_file_name(item->help_id, name);
	rc = tl_fs_open_at(delivery->options.bundles_fd, name, O_RDONLY | O_CLOEXEC, 0,
			   &delivery->bundle_fd, err);
	if (rc == 0)
		rc = sign_bundle(delivery, &jws, err);
	if (rc != 0)
		return rc;
	tl_upload_metadata(&metadata, "kind", "bundle");
	tl_upload_metadata(&metadata, "ticket", item->ticket);
	tl_upload_metadata(&metadata, "bundle", item->bundle);
	tl_upload_metadata(&metadata, "sha256", item->sha256);
	tl_upload_metadata(&metadata, "jws", tl_buf_str(&jws));
	tl_upload_metadata(&metadata, "consent", item->consent);
	return tl_upload_new(
		&(struct tl_upload_spec){
			.loop = delivery->options.loop,
			.relay = delivery->options.relay,
			.fd = delivery->bundle_fd,
			.size = item->size,
			.chunk_bytes = delivery->options.chunk_bytes,
			.metadata = tl_buf_str(&metadata),
			.on_progress = on_progress,
			.on_end = on_upload_end,
			.on_trouble = on_trouble,
			.arg = delivery,
		},
		&delivery->upload, err);
}

static void upload(struct tl_delivery *delivery)
{
	struct tl_err err = TL_ERR_INIT;
	int rc = start_upload(delivery, &err);

	if (rc == 0)
		return;
	close_bundle(delivery);
	if (rc == TL_ENOENT) {
		tl_err_set(&err, TL_ENOENT, "the bundle is missing from the agent's directory");
		finish(delivery, TL_ITEM_FAILED, &err);
		return;
	}
	note_trouble(delivery, &err);
	delivery_step(delivery, DELIVERY_EV_TROUBLE);
}

static void delivery_enter(struct tl_delivery *delivery, enum delivery_state state)
{
	delivery->state = state;
	switch (state) {
	case DELIVERY_IDLE:
		delivery->item = NULL;
		break;
	case DELIVERY_TICKET:
		ask_ticket(delivery);
		break;
	case DELIVERY_RECEIPT:
		delivery->options.name_ticket(delivery->options.arg, delivery,
					      delivery->item->consent, delivery->item->ticket);
		break;
	case DELIVERY_UPLOAD:
		upload(delivery);
		break;
	case DELIVERY_WAITING:
		uv_timer_start(&delivery->timer, on_timer,
			       (uint64_t)tl_backoff_draw(&delivery->backoff), 0);
		break;
	}
}

static bool names_ticket(const struct tl_item *item)
{
	tl_json *header = NULL, *claims = NULL;

	return tl_jwt_peek(item->consent, strlen(item->consent), &header, &claims, NULL) == 0 &&
	       json_object_get(claims, "ticket");
}

static void begin_first(struct tl_delivery *delivery)
{
	delivery->item = tl_queue_first(delivery->options.queue);
	if (!delivery->item)
		delivery_enter(delivery, DELIVERY_IDLE);
	else if (delivery->item->state == TL_ITEM_TICKET)
		delivery_enter(delivery, DELIVERY_TICKET);
	else if (delivery->options.name_ticket && !names_ticket(delivery->item))
		delivery_enter(delivery, DELIVERY_RECEIPT);
	else
		delivery_enter(delivery, DELIVERY_UPLOAD);
}

void tl_delivery_named(struct tl_delivery *delivery, const char *consent)
{
	struct tl_item *item = delivery->item;
	struct tl_err err = TL_ERR_INIT;

	if (delivery->state != DELIVERY_RECEIPT)
		return;
	if (consent && strlen(consent) <= TL_ITEM_CONSENT_MAX) {
		snprintf(item->consent, sizeof(item->consent), "%s", consent);
		if (tl_queue_save(delivery->options.queue, item, &err) != 0)
			note_trouble(delivery, &err); /* after a crash it is asked for again */
	} else {
		tl_log_warning("the receipt does not name its ticket",
			       TL_S("help_id", item->help_id));
	}
	delivery_enter(delivery, DELIVERY_UPLOAD);
}

static void reachable(struct tl_delivery *delivery)
{
	if (delivery->upload) {
		tl_upload_wake(delivery->upload);
	} else if (delivery->state == DELIVERY_IDLE || delivery->state == DELIVERY_WAITING) {
		uv_timer_stop(&delivery->timer);
		begin_first(delivery);
	}
}

static void delivery_step(struct tl_delivery *delivery, enum delivery_event event)
{
	switch (event) {
	case DELIVERY_EV_QUEUED:
		if (delivery->state == DELIVERY_IDLE) /* else it comes to it by itself */
			begin_first(delivery);
		break;
	case DELIVERY_EV_REACHABLE:
		reachable(delivery);
		break;
	case DELIVERY_EV_TIMER:
	case DELIVERY_EV_NEXT:
		begin_first(delivery);
		break;
	case DELIVERY_EV_TROUBLE:
		delivery_enter(delivery, DELIVERY_WAITING);
		break;
	}
}

int tl_delivery_new(const struct tl_delivery_options *options, struct tl_delivery **ret_delivery,
		    struct tl_err *err)
{
	struct tl_delivery *delivery = calloc(1, sizeof(*delivery));

	if (!delivery)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	delivery->options = *options;
	delivery->bundle_fd = -1;
	uv_timer_init(options->loop, &delivery->timer);
	delivery->timer.data = delivery;
	*ret_delivery = delivery;
	return 0;
}

void tl_delivery_wake(struct tl_delivery *delivery)
{
	delivery_step(delivery, DELIVERY_EV_QUEUED);
}

void tl_delivery_reachable(struct tl_delivery *delivery)
{
	delivery_step(delivery, DELIVERY_EV_REACHABLE);
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void tl_delivery_close(struct tl_delivery *delivery)
{
	if (!delivery)
		return;
	tl_call_cancel(tl_steal(&delivery->call));
	close_bundle(delivery);
	uv_close((uv_handle_t *)&delivery->timer, on_closed);
}
