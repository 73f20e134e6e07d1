#include "core/access.h"

#include <stdio.h>
#include <towline/jwt.h>
#include <towline/str.h>

#define MARGIN_MS 120000 /* a token is renewed so long before its end */
#define FETCH_TIMEOUT_MS 60000
#define ASSERTION_LIFE_S 120 /* the protocol allows 300 */

struct waiter {
	tl_relay_token *on_token;
	void *arg;
};

struct tl_access {
	struct tl_access_options options;
	struct tl_buf token;
	int64_t until_mono_ms;
	struct tl_exchange *exchange; /* a fetch under way */
	bool skew_corrected;	      /* in this fetch */
	struct waiter waiters[TL_ACCESS_WAITERS_MAX];
	size_t waiter_count;
	int64_t offset_ms;
};

struct tl_access *tl_access_new(const struct tl_access_options *options)
{
	struct tl_access *access = calloc(1, sizeof(*access));

	if (!access)
		return NULL;
	access->options = *options;
	tl_access_drop(access);
	return access;
}

const char *tl_access_token(const struct tl_access *access)
{
	if (access->token.len == 0 ||
	    tl_clock_mono_ms(access->options.relay->clock) >= access->until_mono_ms)
		return NULL;
	return tl_buf_str(&access->token);
}

void tl_access_drop(struct tl_access *access)
{
	tl_buf_clear(&access->token);
	access->token = (struct tl_buf)TL_BUF_SECRET_INIT(TL_JWT_MAX);
}

static int assertion(struct tl_access *access, struct tl_buf *out, struct tl_err *err)
{
	const struct tl_identity *identity = access->options.relay->identity;
	struct tl_id jti = tl_id_new(access->options.relay->clock);
	int64_t now_s = tl_access_now_ms(access) / 1000;
	tl_json *claims =
		json_pack("{s:s, s:s, s:s, s:s, s:I, s:I}", "iss", identity->host_id, "sub",
			  identity->host_id, "aud", identity->relay_id, "jti", jti.text, "iat",
			  (json_int_t)now_s, "exp", (json_int_t)(now_s + ASSERTION_LIFE_S));

	if (!claims)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	return tl_jwt_sign(access->options.relay->key, TL_JWT_ASSERTION, claims, out, err);
}

static int exchange_new(struct tl_access *access, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf form = TL_BUF_SECRET_INIT(TL_JWT_MAX);
	char url[640];
	int rc;

	tl_buf_puts(&form, "grant_type=client_credentials&client_assertion_type="
			   "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
			   "&client_assertion=");
	rc = assertion(access, &form, err);
	if (rc != 0)
		return rc;
	snprintf(url, sizeof(url), "%s/v1/oauth/token", access->options.relay->identity->url);
	return tl_exchange_new(
		&(struct tl_exchange_spec){
			.method = "POST",
			.url = url,
			.ca_file = access->options.relay->ca_file,
			.proxy = access->options.relay->proxy,
			.content_type = "application/x-www-form-urlencoded",
			.body = form.data,
			.body_len = form.len,
			.timeout_ms = FETCH_TIMEOUT_MS,
		},
		&access->exchange, err);
}

static void tell_waiters(struct tl_access *access, const char *token, const struct tl_err *err)
{
	struct waiter waiters[TL_ACCESS_WAITERS_MAX];
	size_t count = access->waiter_count;

	memcpy(waiters, access->waiters, sizeof(waiters));
	access->waiter_count = 0;
	for (size_t i = 0; i < count; i++)
		waiters[i].on_token(waiters[i].arg, token, err);
}

static void end_fetch(struct tl_access *access, const struct tl_reply *failure)
{
	access->skew_corrected = false;
	if (failure)
		tell_waiters(access, NULL, &failure->err);
	else
		tell_waiters(access, tl_access_token(access), NULL);
	access->options.on_outcome(access->options.arg, failure);
}

void tl_access_fetch(struct tl_access *access)
{
	struct tl_reply reply = {.upload_offset = -1};

	if (access->exchange)
		return;
	if (exchange_new(access, &reply.err) == 0) {
		if (tl_multi_add(access->options.multi, tl_exchange_handle(access->exchange)) == 0)
			return;
		tl_err_set(&reply.err, TL_ENOMEM, "out of memory");
	}
	tl_exchange_free(tl_steal(&access->exchange));
	end_fetch(access, &reply);
}

static int take_token(struct tl_access *access, const struct tl_reply *reply)
{
	const char *token = json_string_value(json_object_get(reply->json, "access_token"));
	int64_t life_ms =
		json_integer_value(json_object_get(reply->json, "expires_in")) * INT64_C(1000);

	if (!token || life_ms <= MARGIN_MS || life_ms > INT64_C(86400000))
		return TL_EPROTO;
	tl_access_drop(access);
	tl_buf_puts(&access->token, token);
	access->until_mono_ms =
		tl_clock_mono_ms(access->options.relay->clock) + life_ms - MARGIN_MS;
	return tl_buf_check(&access->token);
}

bool tl_access_take(struct tl_access *access, const struct tl_exchange *exchange, CURLcode code)
{
	struct tl_reply broken = {.upload_offset = -1};
	tl_auto(tl_exchange) struct tl_exchange *fetch = NULL;
	const struct tl_reply *reply;

	if (exchange != access->exchange)
		return false;
	fetch = tl_steal(&access->exchange);
	reply = tl_exchange_finish(fetch, code);
	if (reply->status == 200 && take_token(access, reply) == 0) {
		end_fetch(access, NULL);
	} else if (tl_streq(reply->problem, "clock-skew") && !access->skew_corrected) {
		const char *time = json_string_value(json_object_get(reply->json, "relay_time"));

		access->skew_corrected = true;
		tl_access_note_time(access, time ? time : "");
		tl_access_fetch(access);
	} else if (reply->status == 200) {
		tl_access_drop(access);
		tl_err_set(&broken.err, TL_EPROTO, "the relay's access token has a wrong form");
		end_fetch(access, &broken);
	} else {
		end_fetch(access, reply);
	}
	return true;
}

int tl_access_wait(struct tl_access *access, tl_relay_token *on_token, void *arg,
		   struct tl_err *err)
{
	if (access->waiter_count == TL_ACCESS_WAITERS_MAX)
		return tl_err_set(err, TL_EBUSY, "too many activities wait for the relay");
	access->waiters[access->waiter_count++] = (struct waiter){on_token, arg};
	return 0;
}

bool tl_access_is_wanted(const struct tl_access *access)
{
	return access->waiter_count > 0;
}

int64_t tl_access_offset_ms(const struct tl_access *access)
{
	return access->offset_ms;
}

int64_t tl_access_now_ms(const struct tl_access *access)
{
	return tl_clock_wall_ms(access->options.relay->clock) + access->offset_ms;
}

void tl_access_note_time(struct tl_access *access, const char *relay_time)
{
	int64_t wall_ms;

	if (tl_time_rfc3339_parse(relay_time, &wall_ms) == 0)
		access->offset_ms = wall_ms - tl_clock_wall_ms(access->options.relay->clock);
}

void tl_access_free(struct tl_access *access)
{
	struct tl_err err = TL_ERR_INIT;

	if (!access)
		return;
	tl_err_set(&err, TL_ECANCELED, "the agent ends");
	tell_waiters(access, NULL, &err);
	if (access->exchange) {
		tl_multi_remove(access->options.multi, tl_exchange_handle(access->exchange));
		tl_exchange_free(tl_steal(&access->exchange));
	}
	tl_buf_clear(&access->token);
	free(access);
}
