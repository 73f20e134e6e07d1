/* towline-agent consent: who wants in, why, for how long; yes or no for each scope; then the indicator
 * with its Stop. */
#include <poll.h>
#include <stdio.h>
#include <towline/id.h>

#include "daemon/cmd.h"

#define CALL_TIMEOUT_MS 15000

static const char *text_of(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

static void print_row(const char *label, const json_t *ask, const char *name)
{
	printf("  %-9s", label);
	tl_cmd_print_text(text_of(ask, name));
	putchar('\n');
}

static void print_list(const char *label, const json_t *texts)
{
	const json_t *text;
	size_t at;

	printf("  %-9s", label);
	json_array_foreach(texts, at, text)
	{
		printf("%s", at ? ", " : "");
		tl_cmd_print_text(json_string_value(text));
	}
	putchar('\n');
}

static void show_ask(const json_t *ask)
{
	printf("\a\nSomebody asks for a remote session on this machine.\n");
	print_row("who", ask, "name");
	print_row("account", ask, "engineer");
	print_row("ticket", ask, "ticket");
	print_row("why", ask, "purpose");
	if (json_object_get(ask, "user"))
		print_row("runs as", ask, "user");
	print_row("lane", ask, "lane");
	print_list("wants", json_object_get(ask, "scopes"));
	if (json_array_size(json_object_get(ask, "forwards")) > 0)
		print_list("to reach", json_object_get(ask, "forwards"));
	if (json_is_true(json_object_get(ask, "four_eyes")))
		printf("  %-9sa second engineer must be there, too\n", "four eyes");
	printf("  %-9sat most %lld min\n", "how long",
	       (long long)(json_integer_value(json_object_get(ask, "max_s")) + 59) / 60);
}

static json_t *ask_scopes(const json_t *asked)
{
	static const struct {
		const char *name, *question;
	} scopes[] = {
		{"terminal", "Allow a terminal? [y/N] "},
		{"exec", "Allow single commands? [y/N] "},
		{"files", "Allow file transfer? [y/N] "},
		{"forwarding", "Allow forwarding of connections to these places? [y/N] "},
		{"agent", "Let them use their own SSH keys from here? [y/N] "},
	};
	json_t *given = json_array();
	const json_t *scope;
	size_t at;

	json_array_foreach(asked, at, scope)
	{
		for (size_t i = 0; i < TL_ARRAY_LEN(scopes); i++) {
			if (tl_streq(scopes[i].name, json_string_value(scope)) &&
			    tl_cmd_confirm(scopes[i].question))
				json_array_append_new(given, json_string(scopes[i].name));
		}
	}
	return given;
}

static int send_answer(const struct tl_cli *cli, json_t *args, struct tl_err *err)
{
	tl_auto(tl_ipc_message) struct tl_ipc_message answer = TL_IPC_MESSAGE_INIT;
	tl_json *owned = args;
	tl_fd int fd = -1; /* of its own: the watching connection is full of events */
	int rc = tl_cmd_connect(cli, TL_CMD_CONSENT, &fd, err);

	if (rc == 0)
		rc = tl_ipc_call(fd, "consent.answer", owned, NULL, 0, CALL_TIMEOUT_MS, &answer,
				 err);
	return rc;
}

struct watch {
	const struct tl_cli *cli;
	int fd;
	char open[TL_ID_LEN + 1]; /* the session that was allowed, until it ends; "" for none */
};

static void decide(struct watch *watch, const json_t *ask)
{
	struct tl_err err = TL_ERR_INIT;
	json_t *scopes;
	bool yes;

	show_ask(ask);
	scopes = ask_scopes(json_object_get(ask, "scopes"));
	yes = json_array_size(scopes) > 0;
	if (send_answer(watch->cli,
			json_pack("{s:s, s:s, s:o}", "session", text_of(ask, "session"), "decision",
				  yes ? "yes" : "no", "scopes", scopes),
			&err) != 0)
		printf("The answer did not count: %s.\n", tl_err_text(&err));
	else
		printf(yes ? "Allowed.\n" : "Refused.\n");
	if (yes && err.code == 0)
		snprintf(watch->open, sizeof(watch->open), "%s", text_of(ask, "session"));
}

static void show_indicator(const json_t *session)
{
	if (json_is_true(json_object_get(session, "break_glass")))
		printf("\n*** EMERGENCY ACCESS: nobody here was asked. ***");
	printf("\n*** A remote session is open: ");
	tl_cmd_print_text(text_of(session, "name"));
	printf(", ticket ");
	tl_cmd_print_text(text_of(session, "ticket"));
	printf(". To stop it, type \"stop\" and press Enter (or: pause, resume, extend MINUTES). "
	       "***\n");
	fflush(stdout);
}

static void take_event(struct watch *watch, const json_t *json)
{
	const json_t *args = json_object_get(json, "args");
	const char *event = text_of(json, "event");
	const char *session = text_of(args, "session");

	if (!event || !session)
		return;
	if (tl_streq(event, "ask")) {
		decide(watch, args);
	} else if (tl_streq(event, "opened")) {
		snprintf(watch->open, sizeof(watch->open), "%s", session);
		show_indicator(args);
	} else if (tl_streq(event, "company")) {
		printf("*** ");
		tl_cmd_print_text(text_of(args, "said"));
		printf(" ***\n");
	} else if (tl_streq(event, "ended")) {
		if (tl_streq(watch->open, session))
			watch->open[0] = '\0';
		printf("The session has ended: ");
		tl_cmd_print_text(text_of(args, "reason")[0] ? text_of(args, "reason")
							     : "as planned");
		putchar('\n');
	}
	fflush(stdout);
}

/* What a typed line asks of the helper: the verb, and its arguments beside the session; NULL for a line that
 * asks nothing. */
static const char *order_of(const char *line, json_t *args)
{
	int64_t minutes = 0;

	if (tl_streq(line, "stop"))
		return "session.stop";
	if (tl_streq(line, "pause") || tl_streq(line, "resume")) {
		json_object_set_new(args, "paused", json_boolean(tl_streq(line, "pause")));
		return "session.pause";
	}
	if (!tl_str_starts(line, "extend ") || tl_str_i64(line + 7, 1, 720, &minutes) != 0)
		return NULL;
	json_object_set_new(args, "minutes", json_integer(minutes));
	return "session.extend";
}

static void take_line(struct watch *watch)
{
	tl_auto(tl_ipc_message) struct tl_ipc_message answer = TL_IPC_MESSAGE_INIT;
	tl_json *args = json_pack("{s:s}", "session", watch->open);
	struct tl_err err = TL_ERR_INIT;
	const char *verb;
	char line[64];
	tl_fd int fd = -1;

	tl_cmd_ask("", line, sizeof(line));
	verb = order_of(line, args);
	if (!verb || !watch->open[0])
		return;
	if (tl_cmd_connect(watch->cli, TL_CMD_CONSENT, &fd, &err) != 0 ||
	    tl_ipc_call(fd, verb, args, NULL, 0, CALL_TIMEOUT_MS, &answer, &err) != 0)
		printf("That could not be done: %s.\n", tl_err_text(&err));
}

static int watch_loop(struct watch *watch, bool for_ever, struct tl_err *err)
{
	bool seen = false;

	for (;;) {
		tl_auto(tl_ipc_message) struct tl_ipc_message message = TL_IPC_MESSAGE_INIT;
		struct pollfd fds[] = {{.fd = watch->fd, .events = POLLIN},
				       {.fd = STDIN_FILENO, .events = POLLIN}};
		int rc;

		if (poll(fds, feof(stdin) ? 1 : 2, -1) < 0)
			continue;
		if (fds[1].revents & (POLLIN | POLLHUP))
			take_line(watch);
		if (!(fds[0].revents & (POLLIN | POLLHUP)))
			continue;
		rc = tl_ipc_receive(watch->fd, &message, err);
		if (rc == TL_EUNREACH)
			return tl_err_set(err, rc, "the helper has ended");
		if (rc != 0)
			return rc;
		take_event(watch, message.json);
		seen = seen || json_object_get(message.json, "event");
		if (seen && !for_ever && !watch->open[0])
			return 0;
	}
}

static int answer_now(const struct tl_cli *cli, struct tl_err *err)
{
	const char *decision = tl_cli_get(cli, "answer");
	const char *session = tl_cli_operand(cli, 0);

	if (!tl_streq(decision, "yes") && !tl_streq(decision, "no"))
		return tl_err_set(err, TL_EUSAGE, "--answer takes yes or no");
	if (!session)
		return tl_err_set(err, TL_EUSAGE,
				  "which session? \"towline-agent sessions\" lists them");
	return send_answer(cli, json_pack("{s:s, s:s}", "session", session, "decision", decision),
			   err);
}

int tl_cmd_consent(const struct tl_cli *cli, struct tl_err *err)
{
	tl_auto(tl_ipc_message) struct tl_ipc_message answer = TL_IPC_MESSAGE_INIT;
	struct watch watch = {.cli = cli};
	tl_fd int fd = -1;
	int rc;

	if (tl_cli_has(cli, "answer"))
		return answer_now(cli, err);
	rc = tl_cmd_connect(cli, TL_CMD_CONSENT, &fd, err);
	if (rc == 0)
		rc = tl_ipc_call(fd, "consent.watch", NULL, NULL, 0, CALL_TIMEOUT_MS, &answer, err);
	if (rc != 0)
		return rc;
	watch.fd = fd;
	printf("Waiting for requests. Ctrl-C leaves; unanswered requests are refused.\n");
	fflush(stdout);
	return watch_loop(&watch, tl_cli_has(cli, "watch"), err);
}
