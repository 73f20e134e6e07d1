#include <stdio.h>
#include <string.h>
#include <towline/log.h>

#include "ssh/terminal_private.h"

#define ROUNDS_A_TURN 16

static void turn(struct tl_terminal *terminal);

static void on_turn(uv_timer_t *timer)
{
	turn(timer->data);
}

void tl_terminal_kick(struct tl_terminal *terminal)
{
	if (!uv_is_closing((uv_handle_t *)&terminal->turn))
		uv_timer_start(&terminal->turn, on_turn, 0, 0);
}

/* ---- the end ---------------------------------------------------------------------------------- */

static void on_handle_closed(uv_handle_t *handle)
{
	struct tl_terminal *terminal = handle->data;
	struct tl_ssh_front *front = terminal->guest.front;

	if (--terminal->handles > 0)
		return;
	tl_ssh_stream_clear(&terminal->channel.stream);
	tl_scrollback_clear(&terminal->output);
	tl_buf_clear(&terminal->view.words);
	json_decref(terminal->channel.env);
	free(terminal);
	front->terminal_count--;
	tl_front_settle(front);
}

static void terminal_free(struct tl_terminal *terminal)
{
	struct tl_terminal **at = &terminal->guest.front->terminals;

	while (*at != terminal)
		at = &(*at)->next;
	*at = terminal->next;
	uv_close((uv_handle_t *)&terminal->turn, on_handle_closed);
	uv_close((uv_handle_t *)&terminal->limit, on_handle_closed);
}

/* The session is written down at once; whoever looks may take a moment to hear of it. */
static void end(struct tl_terminal *terminal, unsigned code, const char *reason)
{
	struct tl_bastion *bastion = tl_steal(&terminal->guest.bastion);
	char text[256];

	if (terminal->over)
		return;
	terminal->over = true;
	uv_timer_stop(&terminal->limit);
	terminal->close_code = code;
	snprintf(text, sizeof(text), "%s", reason);
	if (terminal->started)
		tl_bastion_gone(bastion, &terminal->channel);
	terminal->channel.data = NULL;
	tl_bastion_free(bastion, text);
	snprintf(terminal->why, sizeof(terminal->why), "%s", text);
	if (terminal->guest.front->office.terminals)
		tl_terminals_ended(terminal->guest.front->office.terminals,
				   terminal->asked.session);
	tl_terminal_kick(terminal);
}

static void on_limit(uv_timer_t *timer)
{
	struct tl_terminal *terminal = timer->data;

	if (!terminal->over) {
		end(terminal, TL_TERMINAL_AWAY, "the browser did not come back within 60 seconds");
		return;
	}
	tl_view_close(terminal, terminal->close_code, terminal->why);
	tl_terminal_kick(terminal);
}

static void wait_at_most(struct tl_terminal *terminal, uint64_t ms)
{
	if (ms == 0)
		uv_timer_stop(&terminal->limit);
	else if (!uv_is_active((uv_handle_t *)&terminal->limit))
		uv_timer_start(&terminal->limit, on_limit, ms, 0);
}

/* ---- turns ------------------------------------------------------------------------------------ */

/* Of what the endpoint has said, as much as may be kept. Whoever looks is waited for; without anybody the
 * oldest gives way. */
static bool collect(struct tl_terminal *terminal)
{
	struct tl_ssh_stream *stream = &terminal->channel.stream;
	bool moved = false;

	for (int kind = 0; kind < 2; kind++) {
		struct tl_buf *out = &stream->out[kind];
		uint64_t unsent = terminal->output.end - terminal->view.position;
		size_t len = out->len;

		if (terminal->view.attached && unsent >= TL_TERMINAL_UNSENT_MAX)
			return moved;
		if (len == 0 || tl_scrollback_add(&terminal->output, out->data, len) != 0)
			continue;
		tl_buf_consume(out, len);
		moved = true;
	}
	return moved;
}

/* The program has ended, or the session has, and everything it said is collected. */
static void look_for_end(struct tl_terminal *terminal)
{
	const struct tl_ssh_stream *stream = &terminal->channel.stream;
	const char *why = tl_bastion_over(terminal->guest.bastion);

	if (stream->out[0].len > 0 || stream->out[1].len > 0)
		return;
	if (why)
		end(terminal, TL_TERMINAL_NORMAL, why);
	else if (stream->finish_wanted)
		end(terminal, TL_TERMINAL_NORMAL, "the shell has ended");
}

static void say_open(struct tl_terminal *terminal)
{
	if (terminal->told_open || !terminal->channel.granted)
		return;
	terminal->told_open = true;
	tl_view_say(terminal, json_pack("{s:s, s:s}", "type", "state", "state", "open"));
}

static void say_over(struct tl_terminal *terminal)
{
	const struct tl_ssh_stream *stream = &terminal->channel.stream;
	json_t *json;

	if (terminal->told_over || !tl_view_is_done(terminal))
		return;
	terminal->told_over = true;
	json = json_pack("{s:s, s:s, s:s}", "type", "state", "state", "ended", "reason",
			 terminal->why);
	if (terminal->told_open && stream->finish_wanted && stream->exit_signal[0])
		json_object_set_new(json, "exit_signal", json_string(stream->exit_signal));
	else if (terminal->told_open && stream->finish_wanted)
		json_object_set_new(json, "exit_status", json_integer(stream->exit_status));
	tl_view_say(terminal, json);
}

static bool move(struct tl_terminal *terminal)
{
	bool moved = tl_view_read(terminal);

	if (terminal->started && !terminal->over)
		moved |= tl_bastion_pump(terminal->guest.bastion, &terminal->channel);
	moved |= collect(terminal);
	if (!terminal->over)
		say_open(terminal);
	return tl_view_write(terminal) || moved;
}

static void turn(struct tl_terminal *terminal)
{
	int rounds = 0;
	bool moved;

	do
		moved = move(terminal);
	while (moved && ++rounds < ROUNDS_A_TURN);
	if (!terminal->over)
		look_for_end(terminal);
	if (terminal->over) {
		say_over(terminal);
		moved |= tl_view_write(terminal);
		if (tl_view_is_done(terminal)) {
			tl_view_close(terminal, terminal->close_code, terminal->why);
			terminal_free(terminal);
			return;
		}
	}
	wait_at_most(terminal, terminal->over		 ? TL_TERMINAL_LAST_MS
			       : terminal->view.attached ? 0
							 : TL_TERMINAL_AWAY_MS);
	tl_view_wait(terminal);
	if (moved)
		tl_terminal_kick(terminal);
}

/* ---- the session ------------------------------------------------------------------------------ */

void tl_terminal_size(struct tl_terminal *terminal, const struct tl_terminal_message *message)
{
	struct tl_ssh_server_channel *channel = &terminal->channel;
	char note[128];

	if (terminal->over)
		return;
	channel->columns = message->columns;
	channel->rows = message->rows;
	if (!terminal->started) {
		terminal->started = true;
		snprintf(channel->term, sizeof(channel->term), "%s", message->term);
		tl_bastion_start(terminal->guest.bastion, channel);
		return;
	}
	if (message->verb == TL_TERMINAL_ATTACH) {
		snprintf(note, sizeof(note), "the terminal goes on in a browser at %s",
			 terminal->view.address);
		tl_bastion_note(terminal->guest.bastion, channel, note);
	}
	tl_bastion_resize(terminal->guest.bastion, channel);
}

static void on_change(void *arg)
{
	tl_terminal_kick(arg);
}

static void set_up_guest(struct tl_terminal *terminal, struct tl_ssh_front *front,
			 const struct tl_terminal_ask *ask)
{
	struct tl_guest *guest = &terminal->guest;

	terminal->asked = *ask;
	guest->front = front;
	guest->local = &terminal->channel;
	guest->scopes = ask->scopes;
	guest->engineer = ask->engineer;
	guest->logged_in = true;
	snprintf(guest->address, sizeof(guest->address), "%s", ask->address);
	snprintf(guest->user, sizeof(guest->user), "%s", ask->session);
}

static void set_up_channel(struct tl_terminal *terminal)
{
	struct tl_ssh_server_channel *channel = &terminal->channel;

	channel->number = 1;
	channel->has_pty = true;
	channel->program = TL_SSH_SHELL;
	channel->env = json_object();
	tl_ssh_stream_attach_owner(&channel->stream, on_change, terminal);
}

static struct tl_terminal *terminal_new(struct tl_ssh_front *front,
					const struct tl_terminal_ask *ask)
{
	struct tl_terminal *terminal = calloc(1, sizeof(*terminal));

	if (!terminal)
		return NULL;
	set_up_guest(terminal, front, ask);
	set_up_channel(terminal);
	tl_view_init(&terminal->view);
	terminal->guest.bastion = tl_bastion_new(&terminal->guest);
	if (!terminal->guest.bastion) {
		tl_ssh_stream_clear(&terminal->channel.stream);
		json_decref(terminal->channel.env);
		free(terminal);
		return NULL;
	}
	uv_timer_init(&front->loop, &terminal->turn);
	uv_timer_init(&front->loop, &terminal->limit);
	terminal->turn.data = terminal->limit.data = terminal;
	terminal->handles = 2;
	terminal->next = front->terminals;
	front->terminals = terminal;
	front->terminal_count++;
	wait_at_most(terminal, TL_TERMINAL_AWAY_MS);
	return terminal;
}

/* ---- from other threads ----------------------------------------------------------------------- */

struct order {
	struct tl_letter letter;
	struct tl_ssh_front *front;
	struct tl_terminal_ask ask;
	int fd;
};

static struct tl_terminal *find(struct tl_ssh_front *front, const char *session)
{
	struct tl_terminal *terminal = front->terminals;

	while (terminal && strcmp(terminal->asked.session, session) != 0)
		terminal = terminal->next;
	return terminal;
}

static void read_order(struct tl_letter *letter)
{
	struct order *order = (struct order *)letter;
	struct tl_terminal *terminal = find(order->front, order->ask.session);

	if (terminal && terminal->over) {
		tl_view_turn_away(order->fd, TL_TERMINAL_UNKNOWN, "the session is over");
	} else if (terminal || (terminal = terminal_new(order->front, &order->ask))) {
		tl_view_open(terminal, order->ask.address, order->fd);
	} else {
		tl_terminals_ended(order->front->office.terminals, order->ask.session);
		tl_view_turn_away(order->fd, 1011, "the relay is out of memory");
	}
	free(order);
}

static void carry(void *arg, const struct tl_terminal_ask *ask, int fd)
{
	struct tl_ssh_front *front = arg;
	struct order *order = calloc(1, sizeof(*order));

	if (!order) {
		close(fd);
		return;
	}
	order->front = front;
	order->ask = *ask;
	order->fd = fd;
	order->letter.read = read_order;
	tl_front_post(front, &order->letter);
}

void tl_terminals_open(struct tl_ssh_front *front)
{
	if (front->office.terminals)
		tl_terminals_carry(front->office.terminals, carry, front);
}

void tl_terminals_stop_taking(struct tl_ssh_front *front)
{
	struct tl_terminal *terminal;

	if (front->office.terminals)
		tl_terminals_carry(front->office.terminals, NULL, NULL);
	for (terminal = front->terminals; terminal; terminal = terminal->next)
		if (terminal->started && !terminal->over)
			tl_ssh_channel_say(&terminal->channel, "the relay is stopping: please end");
}

void tl_terminals_end(struct tl_ssh_front *front)
{
	struct tl_terminal *terminal;

	for (terminal = front->terminals; terminal; terminal = terminal->next) {
		end(terminal, TL_TERMINAL_LEAVING, "the relay is stopping");
		uv_timer_start(&terminal->limit, on_limit, TL_TERMINAL_LEAVE_MS, 0);
	}
}
