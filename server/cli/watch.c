/* Being at somebody's session: watching it live, joining it as the second engineer, typing in it. */
#include "cli/commands.h"
#include "cli/recording.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <towline/crypto.h>
#include <towline/str.h>
#include <unistd.h>

#define LEAVE_KEY 0x1d /* Ctrl-] */
#define INPUT_MAX 4096
#define BUSY_TRIES 200
#define BUSY_MS 25
#define DONE 1 /* the session has ended: all is well */

struct watch {
	struct tl_api *api; /* for calls beside the stream */
	const char *session;
	uint64_t offset; /* of the recording, as far as it was shown */
	bool types;
	struct tl_api_stream stream;
};

/* ---- the terminal ----------------------------------------------------------------------------- */

static struct termios cooked;
static bool is_raw;

static void restore_terminal(void)
{
	if (is_raw)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &cooked);
	is_raw = false;
}

static void make_raw(void)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &cooked) != 0)
		return;
	raw = cooked;
	cfmakeraw(&raw);
	is_raw = tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
	atexit(restore_terminal);
}

/* A line about the session, beside what it shows. */
static void remark(const char *what, const char *text)
{
	tl_auto(tl_buf) struct tl_buf clean = TL_BUF_INIT(16384);

	tl_str_printable(&clean, text, strlen(text));
	fflush(stdout);
	fprintf(stderr, "[%s%s]%s", what, tl_buf_str(&clean), is_raw ? "\r\n" : "\n");
}

/* ---- what it shows ---------------------------------------------------------------------------- */

static void show_line(const char *text, size_t len)
{
	tl_json *line = NULL;
	const char *kind, *word;

	if (tl_json_parse(text, len, &line, NULL) != 0)
		return;
	kind = json_string_value(json_object_get(line, "k"));
	if (tl_streq(kind, "o")) {
		const json_t *data = json_object_get(line, "d");

		fwrite(json_string_value(data), 1, json_string_length(data), stdout);
	} else if (tl_streq(kind, "open")) {
		word = json_string_value(json_object_get(line, "command"));
		if (word)
			remark("command: ", word);
	} else if (tl_streq(kind, "note")) {
		word = json_string_value(json_object_get(line, "text"));
		remark("", word ? word : "");
	}
}

static int fetch(struct watch *watch, size_t *ret_len, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf path = TL_BUF_INIT(128);
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(512 * 1024);
	const char *at, *end;
	int rc;

	tl_buf_printf(&path, "/v1/sessions/%s/live?from=%" PRIu64, watch->session, watch->offset);
	rc = tl_api_fetch(watch->api, tl_buf_str(&path), &text, err);
	if (rc)
		return rc;
	for (at = tl_buf_str(&text); (end = strchr(at, '\n')); at = end + 1)
		show_line(at, (size_t)(end - at));
	fflush(stdout);
	watch->offset += text.len;
	*ret_len = text.len;
	return 0;
}

static int catch_up(struct watch *watch, struct tl_err *err)
{
	size_t len = 1;
	int rc = 0;

	while (rc == 0 && len > 0)
		rc = fetch(watch, &len, err);
	return rc;
}

static int on_event(void *arg, const char *name, const char *data, struct tl_err *err)
{
	struct watch *watch = arg;
	tl_json *json = NULL;
	const char *text;

	if (tl_json_parse(data, strlen(data), &json, NULL) != 0)
		return 0;
	if (tl_streq(name, "grew"))
		return catch_up(watch, err);
	if (tl_streq(name, "company")) {
		text = json_string_value(json_object_get(json, "said"));
		remark("", text ? text : "");
		text = json_string_value(json_object_get(json, "held"));
		if (text)
			remark("held: ", text);
	}
	if (!tl_streq(name, "ended"))
		return 0;
	text = json_string_value(json_object_get(json, "reason"));
	(void)catch_up(watch, NULL);
	remark("The session has ended: ", text ? text : "");
	return DONE;
}

/* ---- typing ----------------------------------------------------------------------------------- */

static int post(struct watch *watch, const char *what, const json_t *body, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf path = TL_BUF_INIT(128);
	tl_json *reply = NULL;
	int rc = tl_session_path(watch->session, what, &path, err);

	return rc ? rc : tl_api_post(watch->api, tl_buf_str(&path), body, &reply, err);
}

static int type(struct watch *watch, const char *bytes, size_t len, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_SECRET_INIT(INPUT_MAX * 2);
	const struct timespec pause = {.tv_nsec = BUSY_MS * 1000000L};
	tl_json *body = NULL;
	int rc = TL_EBUSY;

	tl_base64_encode(&text, bytes, len);
	body = json_pack("{s:s}", "data", tl_buf_str(&text));
	for (int i = 0; rc == TL_EBUSY && i < BUSY_TRIES; i++) {
		if (i > 0)
			nanosleep(&pause, NULL);
		rc = post(watch, "input", body, err);
	}
	return rc;
}

static int give_back(struct watch *watch, struct tl_err *err)
{
	watch->types = false;
	watch->stream.fd = -1;
	restore_terminal();
	return post(watch, "give-back", NULL, err);
}

static int on_readable(void *arg, struct tl_err *err)
{
	struct watch *watch = arg;
	char bytes[INPUT_MAX];
	ssize_t got = read(STDIN_FILENO, bytes, sizeof bytes);
	const char *leave = got > 0 ? memchr(bytes, LEAVE_KEY, (size_t)got) : NULL;
	int rc = 0;

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (leave)
		got = leave - bytes;
	if (got > 0)
		rc = type(watch, bytes, (size_t)got, err);
	tl_wipe(bytes, sizeof bytes);
	if (rc == 0 && (got <= 0 || leave)) {
		rc = give_back(watch, err);
		remark("You watch again; Ctrl-C leaves.", "");
	}
	return rc;
}

/* Once the stream is open: only who is there can take over. */
static int on_first_event(void *arg, const char *name, const char *data, struct tl_err *err)
{
	struct watch *watch = arg;
	int rc;

	watch->stream.event = on_event;
	rc = post(watch, "take-over", NULL, err);
	if (rc)
		return rc;
	watch->types = true;
	watch->stream.fd = STDIN_FILENO;
	make_raw();
	remark("You type now; Ctrl-] gives the keyboard back.", "");
	return on_event(arg, name, data, err);
}

/* ---- commands --------------------------------------------------------------------------------- */

static int attend(const struct tl_cli *cli, bool second, struct tl_err *err)
{
	tl_auto(tl_api) struct tl_api *streaming = NULL;
	tl_auto(tl_api) struct tl_api *api = NULL;
	tl_auto(tl_buf) struct tl_buf path = TL_BUF_INIT(128);
	struct watch watch = {.session = tl_cli_operand(cli, 0)};
	int rc = tl_session_path(watch.session, second ? "watch?second=1" : "watch", &path, err);

	if (rc == 0)
		rc = tl_api_open(cli, &streaming, err);
	if (rc == 0)
		rc = tl_api_open(cli, &api, err);
	if (rc)
		return rc;
	watch.api = api;
	watch.stream = (struct tl_api_stream){
		.event = second && tl_cli_has(cli, "take-over") ? on_first_event : on_event,
		.readable = on_readable,
		.fd = -1,
		.arg = &watch,
	};
	rc = tl_api_stream(streaming, tl_buf_str(&path), &watch.stream, err);
	restore_terminal();
	return rc == DONE ? 0 : rc;
}

int tl_command_session_watch(const struct tl_cli *cli, struct tl_err *err)
{
	return attend(cli, false, err);
}

int tl_command_session_join(const struct tl_cli *cli, struct tl_err *err)
{
	return attend(cli, true, err);
}
