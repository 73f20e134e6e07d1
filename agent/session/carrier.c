#include "session/carrier.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <towline/crypto.h>
#include <towline/log.h>

#include "session/redial.h"

#define QUEUE_MAX ((size_t)256 * 1024)
#define CHUNK_MAX ((size_t)64 * 1024)
#define ROUNDS_MAX 16
#define FIRST_WAIT_MS 250 /* doubling, each wait a random part of it */
#define WAIT_DOUBLINGS 4

enum state {
	CARRYING,
	WAITING, /* to call again */
	CALLING,
	LEAVING, /* freed, the last bytes are on their way */
	OVER
};

enum event { EV_BROKEN, EV_TIMER, EV_CALLED, EV_CALL_FAILED, EV_REFUSED, EV_ENDED, EV_LEAVE };

struct tl_carrier {
	struct tl_carrier_config config;
	uv_loop_t *loop;
	enum state state;
	CURL *curl;	  /* NULL: no connection */
	uv_poll_t *relay; /* of that connection */
	int fd;
	uv_poll_t local;
	uv_timer_t again; /* bytes may wait inside TLS, where poll does not see them */
	uv_timer_t timer; /* of the state */
	int handles;
	bool is_line, local_ended, freed;
	struct tl_line *line;
	struct tl_buf to_local;
	struct tl_redial *redial;
	char *access_token;
	struct tl_line_hello hello; /* of the relay, with the token to go on with */
	int64_t broken_ms;
	unsigned tries;
	char sentence[TL_ERR_TEXT_MAX];
	char scratch[CHUNK_MAX];
};

static void pump(struct tl_carrier *carrier);
static void step(struct tl_carrier *carrier, enum event event);

static int64_t now(const struct tl_carrier *carrier)
{
	return tl_clock_mono_ms(carrier->config.clock);
}

/* ---- bytes: each of the four moves returns true when it moved something ------------------------ */

static void deliver(struct tl_carrier *carrier, const char *bytes, size_t len)
{
	ssize_t done = 0;

	if (carrier->freed)
		return;
	if (carrier->to_local.len == 0 && len > 0)
		done = write(carrier->fd, bytes, len);
	if (done > 0) {
		bytes += done;
		len -= (size_t)done;
	}
	tl_buf_append(&carrier->to_local, bytes, len);
}

static bool take_bytes(struct tl_carrier *carrier, const char *bytes, size_t len)
{
	while (len > 0) {
		const char *payload;
		size_t payload_len;
		ssize_t used = tl_line_read(carrier->line, bytes, len, now(carrier), &payload,
					    &payload_len);

		if (used < 0) {
			snprintf(carrier->sentence, sizeof(carrier->sentence),
				 "the relay broke the protocol of the stream");
			step(carrier, EV_REFUSED);
			return false;
		}
		deliver(carrier, payload, payload_len);
		bytes += used;
		len -= (size_t)used;
	}
	return true;
}

static bool listens(const struct tl_carrier *carrier)
{
	return carrier->curl && carrier->to_local.len <= QUEUE_MAX - CHUNK_MAX;
}

static bool from_relay(struct tl_carrier *carrier)
{
	size_t got = 0;
	CURLcode code;

	if (!listens(carrier))
		return false;
	code = curl_easy_recv(carrier->curl, carrier->scratch, CHUNK_MAX, &got);
	if (code == CURLE_AGAIN)
		return false;
	if (code == CURLE_OK && got > 0)
		return take_bytes(carrier, carrier->scratch, got);
	step(carrier, EV_BROKEN);
	return false;
}

static bool to_relay(struct tl_carrier *carrier)
{
	const char *bytes;
	size_t len, sent = 0;
	CURLcode code;

	if (!carrier->curl || !tl_line_next(carrier->line, &bytes, &len))
		return false;
	code = curl_easy_send(carrier->curl, bytes, len, &sent);
	tl_line_sent(carrier->line, sent, now(carrier));
	if (code != CURLE_OK && code != CURLE_AGAIN)
		step(carrier, EV_BROKEN);
	return sent > 0;
}

static bool from_local(struct tl_carrier *carrier)
{
	size_t room = tl_line_room(carrier->line);
	ssize_t got;

	if (room == 0 || carrier->local_ended)
		return false;
	got = read(carrier->fd, carrier->scratch, room < CHUNK_MAX ? room : CHUNK_MAX);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (got > 0)
		return tl_line_put(carrier->line, carrier->scratch, (size_t)got) == 0;
	carrier->local_ended = true;
	return tl_line_end(carrier->line) == 0;
}

static bool to_local(struct tl_carrier *carrier)
{
	ssize_t done;

	if (carrier->to_local.len == 0 || carrier->freed)
		return false;
	done = write(carrier->fd, carrier->to_local.data, carrier->to_local.len);
	if (done > 0)
		tl_buf_consume(&carrier->to_local, (size_t)done);
	else if (errno != EAGAIN && errno != EINTR)
		tl_buf_reset(&carrier->to_local); /* its reader has gone, and says so by its end */
	return done > 0;
}

/* ---- waiting for descriptors ------------------------------------------------------------------- */

static void on_event(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	pump(poll->data);
}

static void on_again(uv_timer_t *timer)
{
	pump(timer->data);
}

static void watch(uv_poll_t *poll, bool read, bool write)
{
	int events = (read ? UV_READABLE : 0) | (write ? UV_WRITABLE : 0);

	if (events)
		uv_poll_start(poll, events, on_event);
	else
		uv_poll_stop(poll);
}

static void set_interest(struct tl_carrier *carrier)
{
	const char *bytes;
	size_t len;

	if (carrier->curl)
		watch(carrier->relay, listens(carrier), tl_line_next(carrier->line, &bytes, &len));
	watch(&carrier->local, !carrier->local_ended && tl_line_room(carrier->line) > 0,
	      carrier->to_local.len > 0 && !carrier->freed);
}

/* The relay ended the stream, and the SSH side has all of it. Where the SSH side ended first, a line waits
 * for the relay's end, so that nothing of ours is lost on the way; a plain stream cannot know. */
static bool is_done(const struct tl_carrier *carrier)
{
	if (tl_line_ended(carrier->line))
		return carrier->to_local.len == 0 || carrier->freed;
	return !carrier->is_line && tl_line_end_sent(carrier->line);
}

static void pump(struct tl_carrier *carrier)
{
	bool moved = true;

	for (int i = 0; i < ROUNDS_MAX && moved && carrier->state != OVER; i++) {
		moved = from_relay(carrier);
		moved |= to_local(carrier);
		moved |= from_local(carrier);
		moved |= to_relay(carrier);
	}
	if (carrier->state == OVER)
		return;
	if (is_done(carrier)) {
		step(carrier, EV_ENDED);
		return;
	}
	set_interest(carrier);
	if (moved)
		uv_timer_start(&carrier->again, on_again, 0, 0);
}

/* ---- the connection ---------------------------------------------------------------------------- */

static void on_relay_closed(uv_handle_t *handle)
{
	free(handle);
}

static void disconnect(struct tl_carrier *carrier)
{
	if (carrier->relay)
		uv_close((uv_handle_t *)tl_steal(&carrier->relay), on_relay_closed);
	curl_easy_cleanup(tl_steal(&carrier->curl));
}

static int connect_with(struct tl_carrier *carrier, struct tl_dialled *dialled)
{
	curl_socket_t fd = CURL_SOCKET_BAD;
	uv_poll_t *relay = malloc(sizeof(*relay));

	curl_easy_getinfo(dialled->curl, CURLINFO_ACTIVESOCKET, &fd);
	if (!relay || fd < 0 || uv_poll_init(carrier->loop, relay, fd) != 0) {
		free(relay);
		return TL_EUNREACH;
	}
	relay->data = carrier;
	carrier->relay = relay;
	carrier->curl = tl_steal(&dialled->curl);
	carrier->hello = dialled->hello;
	return 0;
}

static void on_called(void *arg, int rc, struct tl_dialled *dialled, const struct tl_err *err)
{
	struct tl_carrier *carrier = arg;

	carrier->redial = NULL;
	if (rc == 0 && (!dialled->is_line ||
			tl_line_resume(carrier->line, dialled->hello.received, now(carrier)) != 0 ||
			connect_with(carrier, dialled) != 0)) {
		snprintf(carrier->sentence, sizeof(carrier->sentence),
			 "the relay does not know where the stream broke off");
		step(carrier, EV_REFUSED);
	} else if (rc == 0) {
		step(carrier, EV_CALLED);
		if (take_bytes(carrier, dialled->rest.data, dialled->rest.len))
			pump(carrier);
	} else {
		snprintf(carrier->sentence, sizeof(carrier->sentence), "%s", tl_err_text(err));
		step(carrier, rc == TL_EDENIED ? EV_REFUSED : EV_CALL_FAILED);
	}
}

/* ---- states ------------------------------------------------------------------------------------ */

static void on_timer(uv_timer_t *timer)
{
	step(timer->data, EV_TIMER);
}

static int64_t left_ms(const struct tl_carrier *carrier)
{
	return carrier->broken_ms + carrier->hello.gap_ms - now(carrier);
}

/* Of many that lost the same relay not all call in the same moment. */
static uint64_t draw_wait_ms(struct tl_carrier *carrier)
{
	int64_t cap_ms = (int64_t)FIRST_WAIT_MS << carrier->tries;
	int64_t most_ms = left_ms(carrier);
	uint32_t random;

	if (carrier->tries < WAIT_DOUBLINGS)
		carrier->tries++;
	tl_random(&random, sizeof(random));
	cap_ms = cap_ms < most_ms ? cap_ms : most_ms;
	return (uint64_t)random * (uint64_t)(cap_ms > 0 ? cap_ms : 0) >> 32;
}

static void call(struct tl_carrier *carrier)
{
	int64_t left = left_ms(carrier);
	struct tl_dial_ask ask = {
		.access_token = carrier->access_token,
		.hello = {.received = tl_line_received(carrier->line)},
		.timeout_ms = left < TL_CARRIER_DIAL_MS ? left : TL_CARRIER_DIAL_MS,
	};

	snprintf(ask.hello.token, sizeof(ask.hello.token), "%s", carrier->hello.token);
	carrier->redial =
		tl_redial_start(carrier->loop, carrier->config.request, &ask, on_called, carrier);
}

static void enter(struct tl_carrier *carrier, enum state state);

static void give_up(struct tl_carrier *carrier)
{
	snprintf(carrier->sentence, sizeof(carrier->sentence),
		 "the connection to the relay was lost and did not come back within %lld s",
		 (long long)(carrier->hello.gap_ms + 999) / 1000);
	enter(carrier, OVER);
}

/* The SSH side reads what it has, then the end. */
static void finish(struct tl_carrier *carrier)
{
	tl_redial_cancel(tl_steal(&carrier->redial));
	disconnect(carrier);
	uv_poll_stop(&carrier->local);
	uv_timer_stop(&carrier->again);
	(void)to_local(carrier);
	(void)shutdown(carrier->fd, SHUT_RDWR);
}

static void on_closed(uv_handle_t *handle)
{
	struct tl_carrier *carrier = handle->data;

	if (--carrier->handles > 0)
		return;
	close(carrier->fd);
	tl_line_free(carrier->line);
	tl_buf_clear(&carrier->to_local);
	tl_wipe(&carrier->hello, sizeof(carrier->hello));
	if (carrier->access_token)
		tl_wipe(carrier->access_token, strlen(carrier->access_token));
	free(carrier->access_token);
	free(carrier);
}

static void destroy(struct tl_carrier *carrier)
{
	uv_close((uv_handle_t *)&carrier->local, on_closed);
	uv_close((uv_handle_t *)&carrier->again, on_closed);
	uv_close((uv_handle_t *)&carrier->timer, on_closed);
}

static void enter(struct tl_carrier *carrier, enum state state)
{
	enum state before = carrier->state;

	carrier->state = state;
	uv_timer_stop(&carrier->timer);
	switch (state) {
	case CARRYING:
		carrier->tries = 0;
		if (carrier->is_line)
			uv_timer_start(&carrier->timer, on_timer, TL_LINE_KEEPALIVE_MS / 2,
				       TL_LINE_KEEPALIVE_MS / 2);
		break;
	case WAITING:
		if (before == CARRYING)
			carrier->broken_ms = now(carrier);
		disconnect(carrier);
		uv_timer_start(&carrier->timer, on_timer, draw_wait_ms(carrier), 0);
		break;
	case CALLING:
		call(carrier);
		if (!carrier->redial)
			enter(carrier, WAITING);
		break;
	case LEAVING:
		uv_timer_start(&carrier->timer, on_timer, TL_CARRIER_LINGER_MS, 0);
		break;
	case OVER:
		finish(carrier);
		if (carrier->freed)
			destroy(carrier);
		else
			carrier->config.on_end(carrier->config.arg,
					       carrier->sentence[0] ? carrier->sentence : NULL);
		break;
	}
}

static void on_broken(struct tl_carrier *carrier)
{
	if (carrier->state != CARRYING || !carrier->is_line || tl_line_ended(carrier->line)) {
		enter(carrier, OVER);
		return;
	}
	tl_log_warning("the connection to the relay broke: calling again",
		       TL_S("session", carrier->config.request->session));
	enter(carrier, WAITING);
}

static void on_time(struct tl_carrier *carrier)
{
	switch (carrier->state) {
	case CARRYING:
		if (!tl_line_tick(carrier->line, listens(carrier), now(carrier)))
			on_broken(carrier);
		else
			pump(carrier);
		break;
	case WAITING:
		if (left_ms(carrier) <= 0)
			give_up(carrier);
		else
			enter(carrier, CALLING);
		break;
	case LEAVING:
		enter(carrier, OVER);
		break;
	default:
		break;
	}
}

static void step(struct tl_carrier *carrier, enum event event)
{
	if (carrier->state == OVER)
		return;
	switch (event) {
	case EV_BROKEN:
		on_broken(carrier);
		break;
	case EV_TIMER:
		on_time(carrier);
		break;
	case EV_CALLED:
		tl_log_info("the stream goes on", TL_S("session", carrier->config.request->session),
			    TL_I("away_ms", now(carrier) - carrier->broken_ms));
		enter(carrier, CARRYING);
		break;
	case EV_CALL_FAILED:
		if (left_ms(carrier) <= 0)
			give_up(carrier);
		else
			enter(carrier, WAITING);
		break;
	case EV_REFUSED:
	case EV_ENDED:
		enter(carrier, OVER);
		break;
	case EV_LEAVE:
		enter(carrier, carrier->curl ? LEAVING : OVER);
		break;
	}
}

/* ---- life -------------------------------------------------------------------------------------- */

void tl_carrier_token(struct tl_carrier *carrier, const char *access_token)
{
	char *copy = strdup(access_token);

	if (!copy)
		return;
	if (carrier->access_token)
		tl_wipe(carrier->access_token, strlen(carrier->access_token));
	free(carrier->access_token);
	carrier->access_token = copy;
}

void tl_carrier_free(struct tl_carrier *carrier)
{
	if (!carrier || carrier->freed)
		return;
	carrier->freed = true;
	if (carrier->state == OVER) {
		destroy(carrier);
		return;
	}
	step(carrier, EV_LEAVE);
	pump(carrier);
}

static void init_handles(struct tl_carrier *carrier)
{
	/* A fresh descriptor of ours cannot be watched already. */
	uv_poll_init(carrier->loop, &carrier->local, carrier->fd);
	uv_timer_init(carrier->loop, &carrier->again);
	uv_timer_init(carrier->loop, &carrier->timer);
	carrier->local.data = carrier->again.data = carrier->timer.data = carrier;
	carrier->handles = 3;
}

static int prepare(struct tl_carrier *carrier, struct tl_dialled *dialled)
{
	tl_buf_init(&carrier->to_local, QUEUE_MAX + TL_DIAL_REST_MAX);
	carrier->is_line = dialled->is_line;
	carrier->line = tl_line_new(carrier->is_line, now(carrier));
	tl_carrier_token(carrier, carrier->config.request->access_token);
	return carrier->line && carrier->access_token ? connect_with(carrier, dialled) : TL_ENOMEM;
}

int tl_carrier_start(uv_loop_t *loop, struct tl_dialled *dialled, int fd,
		     const struct tl_carrier_config *config, struct tl_carrier **ret_carrier,
		     struct tl_err *err)
{
	struct tl_carrier *carrier = calloc(1, sizeof(*carrier));

	if (carrier) {
		carrier->loop = loop;
		carrier->config = *config;
		carrier->fd = fd;
	}
	if (!carrier || prepare(carrier, dialled) != 0) {
		if (carrier) {
			tl_line_free(carrier->line);
			free(carrier->access_token);
		}
		free(carrier);
		tl_dialled_clear(dialled);
		close(fd);
		return tl_err_set(err, TL_EUNREACH, "the call to the relay broke");
	}
	init_handles(carrier);
	enter(carrier, CARRYING);
	if (take_bytes(carrier, dialled->rest.data, dialled->rest.len))
		uv_timer_start(&carrier->again, on_again, 0, 0);
	tl_dialled_clear(dialled);
	*ret_carrier = carrier;
	return 0;
}
