#include "fake_relay.h"

#include "../common/tests.h"
#include <towline/crypto.h>

struct fake_relay fake;

static struct tl_key *key;

void fake_reset(void)
{
	fake = (struct fake_relay){.calls = 0};
}

struct tl_call *__wrap_tl_relay_call(struct tl_relay *relay, const struct tl_call_spec *spec);
struct tl_call *__wrap_tl_relay_call(struct tl_relay *relay TL_UNUSED,
				     const struct tl_call_spec *spec)
{
	size_t at = 0;

	assert_null(fake.open.method); /* nothing here has two calls under way */
	fake.calls++;
	fake.open = *spec;
	snprintf(fake.path, sizeof(fake.path), "%s", spec->path);
	fake.headers[0] = '\0';
	for (size_t i = 0; spec->headers && spec->headers[i]; i++)
		at += (size_t)snprintf(fake.headers + at, sizeof(fake.headers) - at, "%s\n",
				       spec->headers[i]);
	fake.body[0] = '\0';
	if (spec->json) {
		char *text = json_dumps(spec->json, JSON_COMPACT);

		snprintf(fake.body, sizeof(fake.body), "%s", text);
		free(text);
	}
	return (struct tl_call *)(void *)&fake;
}

void __wrap_tl_call_cancel(struct tl_call *call);
void __wrap_tl_call_cancel(struct tl_call *call)
{
	if (!call)
		return;
	fake.cancelled++;
	fake.open.method = NULL;
}

void __wrap_tl_relay_note_time(struct tl_relay *relay, const char *relay_time);
void __wrap_tl_relay_note_time(struct tl_relay *relay TL_UNUSED, const char *relay_time)
{
	snprintf(fake.told_time, sizeof(fake.told_time), "%s", relay_time);
}

const struct tl_identity *__wrap_tl_relay_identity(const struct tl_relay *relay);
const struct tl_identity *__wrap_tl_relay_identity(const struct tl_relay *relay TL_UNUSED)
{
	static const struct tl_identity identity = {.url = "https://relay.example:8443",
						    .host_id = "01arz3ndektsv4rrffq69g5fav",
						    .relay_id = "01arz3ndektsv4rrffq69g5faw"};

	return &identity;
}

static void free_key(void)
{
	tl_key_free(key);
}

const struct tl_key *__wrap_tl_relay_key(const struct tl_relay *relay);
const struct tl_key *__wrap_tl_relay_key(const struct tl_relay *relay TL_UNUSED)
{
	if (!key) {
		assert_int_equal(tl_key_generate(&key, NULL), 0);
		atexit(free_key);
	}
	return key;
}

int64_t __wrap_tl_relay_now_ms(const struct tl_relay *relay);
int64_t __wrap_tl_relay_now_ms(const struct tl_relay *relay TL_UNUSED)
{
	return INT64_C(1700000000000);
}

int __wrap_uv_timer_start(uv_timer_t *timer, uv_timer_cb on_timer, uint64_t wait_ms,
			  uint64_t repeat_ms);
int __wrap_uv_timer_start(uv_timer_t *timer, uv_timer_cb on_timer, uint64_t wait_ms,
			  uint64_t repeat_ms TL_UNUSED)
{
	fake.timer = timer;
	fake.on_timer = on_timer;
	fake.timer_ms = wait_ms;
	return 0;
}

int __wrap_uv_timer_stop(uv_timer_t *timer);
int __wrap_uv_timer_stop(uv_timer_t *timer)
{
	if (fake.timer == timer)
		fake.timer = NULL;
	return 0;
}

void fake_answer(struct tl_reply reply)
{
	struct tl_call_spec spec = fake.open;

	assert_non_null(spec.method);
	if (!reply.err.code && (reply.status < 200 || reply.status > 299))
		tl_err_set(&reply.err, TL_EUNREACH, "the relay answered with status %d",
			   reply.status);
	fake.open.method = NULL;
	spec.on_done(spec.arg, &reply);
}

bool fake_feed(const char *text)
{
	return fake.open.on_data(fake.open.data_arg, text, strlen(text));
}

void fake_fire(void)
{
	uv_timer_t *timer = fake.timer;

	assert_non_null(timer);
	fake.timer = NULL;
	fake.on_timer(timer);
}
