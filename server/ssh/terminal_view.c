#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <towline/log.h>

#include "ssh/terminal_private.h"

#define PACKETS_A_TURN 64

/* ---- letting go ------------------------------------------------------------------------------- */

void tl_view_turn_away(int fd, unsigned code, const char *reason)
{
	char packet[128];
	int len = snprintf(packet, sizeof(packet), "%c%c%c%.120s", TL_WS_CLOSE, (int)(code >> 8),
			   (int)(code & 0xff), reason);

	(void)send(fd, packet, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT);
	close(fd);
}

static void on_poll_closed(uv_handle_t *handle)
{
	free(handle);
}

/* Without a word. A terminal that nobody looks at waits for its browser, a while. */
static void let_go(struct tl_terminal *terminal, unsigned code, const char *reason)
{
	struct tl_view *view = &terminal->view;
	int fd = tl_steal_fd(&view->fd);

	uv_close((uv_handle_t *)tl_steal(&view->poll), on_poll_closed);
	if (code)
		tl_view_turn_away(fd, code, reason);
	else
		close(fd);
	tl_buf_reset(&view->words);
	view->attached = false;
}

void tl_view_close(struct tl_terminal *terminal, unsigned code, const char *reason)
{
	if (terminal->view.fd >= 0)
		let_go(terminal, code, reason);
}

void tl_view_init(struct tl_view *view)
{
	view->fd = -1;
	tl_buf_init(&view->words, TL_TERMINAL_WORDS_MAX);
}

/* ---- what is said ----------------------------------------------------------------------------- */

void tl_view_say(struct tl_terminal *terminal, json_t *json)
{
	struct tl_view *view = &terminal->view;

	if (view->attached) {
		tl_buf_append(&view->words, "T", 1);
		tl_json_write(&view->words, json);
		tl_buf_append(&view->words, "", 1);
	}
	json_decref(json);
}

static void welcome(struct tl_terminal *terminal, const struct tl_terminal_message *message)
{
	struct tl_view *view = &terminal->view;
	uint64_t begin = tl_scrollback_begin(&terminal->output), wanted = begin;

	if (message->output >= 0 && (uint64_t)message->output <= terminal->output.end)
		wanted = (uint64_t)message->output;
	view->attached = true;
	view->position = wanted > begin ? wanted : begin;
	tl_view_say(terminal,
		    json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I}", "type", "attached", "session",
			      terminal->asked.session, "host", terminal->asked.host_name, "ticket",
			      terminal->asked.ticket, "output", (json_int_t)view->position, "lost",
			      (json_int_t)(view->position - wanted), "input",
			      (json_int_t)terminal->input));
	tl_view_say(terminal, json_pack("{s:s, s:s}", "type", "state", "state",
					terminal->told_open ? "open" : "asking"));
	if (terminal->started)
		tl_log_info("a terminal goes on in a browser",
			    TL_S("session", terminal->asked.session),
			    TL_S("address", view->address));
}

/* ---- what it says ----------------------------------------------------------------------------- */

static void take_words(struct tl_terminal *terminal, const char *text, size_t len)
{
	struct tl_terminal_message message;
	struct tl_err err = TL_ERR_INIT;
	int rc = tl_terminal_message_parse(text, len, &message, &err);

	if (rc == 0 && (message.verb == TL_TERMINAL_ATTACH) == terminal->view.attached)
		rc = tl_err_set(&err, TL_EINVAL, "\"attach\" comes first, and once");
	if (rc != 0) {
		tl_view_close(terminal, TL_TERMINAL_MISUNDERSTOOD, tl_err_text(&err));
		return;
	}
	if (message.verb == TL_TERMINAL_PING) {
		tl_view_say(terminal, json_pack("{s:s}", "type", "pong"));
		return;
	}
	if (message.verb == TL_TERMINAL_ATTACH)
		welcome(terminal, &message);
	tl_terminal_size(terminal, &message);
}

static void take_bytes(struct tl_terminal *terminal, const char *bytes, size_t len)
{
	if (!terminal->view.attached) {
		tl_view_close(terminal, TL_TERMINAL_MISUNDERSTOOD, "\"attach\" comes first");
		return;
	}
	terminal->input += len;
	if (!terminal->over)
		tl_ssh_stream_put(&terminal->channel.stream, bytes, len);
}

/* Only what fits: the rest stays in the pair, and then with the browser. */
static bool may_read(const struct tl_terminal *terminal)
{
	return terminal->view.fd >= 0 &&
	       tl_ssh_stream_put_room(&terminal->channel.stream) >= TL_WS_PACKET_MAX &&
	       terminal->view.words.len < TL_TERMINAL_WORDS_ENOUGH;
}

bool tl_view_read(struct tl_terminal *terminal)
{
	char packet[TL_WS_PACKET_MAX];
	int count = 0;

	while (count < PACKETS_A_TURN && may_read(terminal)) {
		ssize_t got = recv(terminal->view.fd, packet, sizeof(packet), MSG_DONTWAIT);

		if (got < 0 && errno == ECONNRESET)
			continue;
		if (got < 0)
			break;
		count++;
		if (got == 0)
			tl_view_close(terminal, 0, NULL);
		else if (packet[0] == TL_WS_TEXT)
			take_words(terminal, packet + 1, (size_t)got - 1);
		else
			take_bytes(terminal, packet + 1, (size_t)got - 1);
	}
	return count > 0;
}

/* ---- what it is shown ------------------------------------------------------------------------- */

static bool send_packet(const struct tl_view *view, char kind, const char *bytes, size_t len)
{
	struct iovec parts[] = {
		{.iov_base = &kind, .iov_len = 1},
		{.iov_base = (void *)(uintptr_t)bytes, .iov_len = len},
	};
	const struct msghdr message = {.msg_iov = parts, .msg_iovlen = TL_ARRAY_LEN(parts)};

	return sendmsg(view->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) > 0;
}

static bool write_words(struct tl_view *view)
{
	bool moved = false;

	while (view->words.len > 0) {
		size_t len = strlen(view->words.data);

		if (!send_packet(view, TL_WS_TEXT, view->words.data + 1, len - 1))
			break;
		tl_buf_consume(&view->words, len + 1);
		moved = true;
	}
	return moved;
}

static bool write_output(struct tl_terminal *terminal)
{
	struct tl_view *view = &terminal->view;
	const char *bytes;
	bool moved = false;
	size_t len;

	while ((len = tl_scrollback_peek(&terminal->output, view->position, &bytes)) > 0) {
		len = len < TL_WS_PACKET_MAX - 1 ? len : TL_WS_PACKET_MAX - 1;
		if (!send_packet(view, TL_WS_BINARY, bytes, len))
			break;
		view->position += len;
		moved = true;
	}
	return moved;
}

bool tl_view_write(struct tl_terminal *terminal)
{
	bool moved;

	if (!terminal->view.attached)
		return false;
	moved = write_words(&terminal->view);
	return write_output(terminal) || moved;
}

static bool has_more(const struct tl_terminal *terminal)
{
	return terminal->view.attached &&
	       (terminal->view.words.len > 0 || terminal->view.position < terminal->output.end);
}

bool tl_view_is_done(const struct tl_terminal *terminal)
{
	return !has_more(terminal);
}

/* ---- waiting ---------------------------------------------------------------------------------- */

static void on_ready(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	tl_terminal_kick(poll->data);
}

void tl_view_wait(struct tl_terminal *terminal)
{
	struct tl_view *view = &terminal->view;
	int events;

	if (view->fd < 0)
		return;
	events = (may_read(terminal) ? UV_READABLE : 0) | (has_more(terminal) ? UV_WRITABLE : 0);
	if (events == view->polled)
		return;
	view->polled = events;
	if (events)
		uv_poll_start(view->poll, events, on_ready);
	else
		uv_poll_stop(view->poll);
}

void tl_view_open(struct tl_terminal *terminal, const char *address, int fd)
{
	struct tl_view *view = &terminal->view;
	uv_poll_t *poll = calloc(1, sizeof(*poll));

	if (!poll || uv_poll_init(&terminal->guest.front->loop, poll, fd) != 0) {
		free(poll);
		tl_view_turn_away(fd, 1011, "the relay is out of memory");
		return;
	}
	tl_view_close(terminal, TL_TERMINAL_ELSEWHERE, "the terminal was opened elsewhere");
	poll->data = terminal;
	view->poll = poll;
	view->fd = fd;
	view->polled = 0;
	snprintf(view->address, sizeof(view->address), "%s", address);
	tl_terminal_kick(terminal);
}
