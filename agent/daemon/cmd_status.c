/* towline-agent status, sessions, and what a person does with them: stop, pause, resume, extend */
#include <stdio.h>

#include "daemon/cmd.h"

#define CALL_TIMEOUT_MS 15000

static int ask(const struct tl_cli *cli, enum tl_cmd_door door, const char *verb, json_t *args,
	       json_t **ret_result, struct tl_err *err)
{
	tl_auto(tl_ipc_message) struct tl_ipc_message answer = TL_IPC_MESSAGE_INIT;
	tl_json *owned = args;
	tl_fd int fd = -1;
	int rc = tl_cmd_connect(cli, door, &fd, err);

	if (rc == 0)
		rc = tl_ipc_call(fd, verb, owned, NULL, 0, CALL_TIMEOUT_MS, &answer, err);
	if (rc == 0)
		*ret_result = json_incref(answer.json);
	return rc;
}

static void print_line(const char *label, const char *text)
{
	printf("%-12s", label);
	tl_cmd_print_text(text);
	putchar('\n');
}

static const char *text_of(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

static const char *helper_state(const json_t *status)
{
	if (!json_is_true(json_object_get(status, "helper")))
		return "does not answer";
	if (!json_is_true(json_object_get(status, "split")))
		return "yes, but under the agent's account: it protects from engineers, not from "
		       "the agent";
	return "yes, under an account of its own";
}

/* Who is in, as the helper says; without an answer the number above has to do. */
static void print_open_sessions(const struct tl_cli *cli)
{
	tl_json *result = NULL;
	const json_t *session;
	size_t i;

	if (ask(cli, TL_CMD_CONSENT, "session.list", NULL, &result, NULL) != 0)
		return;
	json_array_foreach(json_object_get(result, "sessions"), i, session)
	{
		if (!tl_streq(text_of(session, "state"), "active"))
			continue;
		printf("%-12s", "");
		tl_cmd_print_text(text_of(session, "name"));
		printf(" is in, ticket ");
		tl_cmd_print_text(text_of(session, "ticket"));
		printf(", until ");
		tl_cmd_print_text(text_of(session, "ends"));
		putchar('\n');
	}
}

int tl_cmd_status(const struct tl_cli *cli, struct tl_err *err)
{
	tl_json *status = NULL;
	const json_t *queue;
	int64_t offset_ms;
	char size[32];
	int rc = ask(cli, TL_CMD_AGENT, "status", NULL, &status, err);

	if (rc != 0)
		return rc;
	if (tl_cli_has(cli, "json")) {
		tl_cmd_print_json(status);
		return 0;
	}
	queue = json_object_get(status, "queue");
	offset_ms = json_integer_value(json_object_get(status, "clock_offset_ms"));
	tl_cmd_size(json_integer_value(json_object_get(queue, "bytes")), size);
	print_line("relay", text_of(status, "relay"));
	print_line("host", text_of(status, "name"));
	print_line("host id", text_of(status, "host_id"));
	print_line("connected", json_is_true(json_object_get(status, "connected"))
					? "yes"
					: text_of(status, "trouble"));
	print_line("helper", helper_state(status));
	printf("%-12s%lld requests wait, %s\n", "queue",
	       (long long)json_integer_value(json_object_get(queue, "items")), size);
	printf("%-12s%zu\n", "sessions", json_array_size(json_object_get(status, "sessions")));
	if (json_array_size(json_object_get(status, "sessions")) > 0)
		print_open_sessions(cli);
	if (offset_ms > 5000 || offset_ms < -5000)
		printf("%-12sthis machine's clock differs from the relay's by %lld s\n", "clock",
		       (long long)(offset_ms / 1000));
	return 0;
}

/* Until when, why nothing passes, and who else is there. */
static void print_company(const json_t *session)
{
	const json_t *watchers = json_object_get(session, "watchers"), *watcher;
	const char *const rows[][2] = {{"until", "ends"}, {"held", "held"}, {"second", "second"}};
	size_t i;

	for (i = 0; i < TL_ARRAY_LEN(rows); i++) {
		if (!text_of(session, rows[i][1]))
			continue;
		printf("    %-9s", rows[i][0]);
		tl_cmd_print_text(text_of(session, rows[i][1]));
		putchar('\n');
	}
	json_array_foreach(watchers, i, watcher)
	{
		printf("    %-9s", "watched by");
		putchar(' ');
		tl_cmd_print_text(text_of(watcher, "name"));
		putchar('\n');
	}
}

int tl_cmd_sessions(const struct tl_cli *cli, struct tl_err *err)
{
	tl_json *result = NULL;
	const json_t *sessions, *session;
	size_t i;
	int rc = ask(cli, TL_CMD_CONSENT, "session.list", NULL, &result, err);

	if (rc != 0)
		return rc;
	sessions = json_object_get(result, "sessions");
	if (tl_cli_has(cli, "json")) {
		tl_cmd_print_json(sessions);
		return 0;
	}
	if (json_array_size(sessions) == 0)
		printf("There is no session.\n");
	json_array_foreach(sessions, i, session)
	{
		tl_cmd_print_text(text_of(session, "session"));
		printf("  %-7s ", text_of(session, "state"));
		tl_cmd_print_text(text_of(session, "name"));
		printf(", ticket ");
		tl_cmd_print_text(text_of(session, "ticket"));
		printf(": ");
		tl_cmd_print_text(text_of(session, "purpose"));
		putchar('\n');
		print_company(session);
	}
	return 0;
}

int tl_cmd_stop(const struct tl_cli *cli, struct tl_err *err)
{
	tl_json *result = NULL;
	int rc = ask(cli, TL_CMD_CONSENT, "session.stop",
		     json_pack("{s:s}", "session", tl_cli_operand(cli, 0)), &result, err);

	if (rc == 0)
		printf("The session is being ended.\n");
	return rc;
}

static int pause_session(const struct tl_cli *cli, bool paused, struct tl_err *err)
{
	tl_json *result = NULL;
	int rc = ask(cli, TL_CMD_CONSENT, "session.pause",
		     json_pack("{s:s, s:b}", "session", tl_cli_operand(cli, 0), "paused", paused),
		     &result, err);

	if (rc == 0)
		printf(paused ? "The session is paused: nothing goes in or out.\n"
			      : "Your pause is over.\n");
	return rc;
}

int tl_cmd_pause(const struct tl_cli *cli, struct tl_err *err)
{
	return pause_session(cli, true, err);
}

int tl_cmd_resume(const struct tl_cli *cli, struct tl_err *err)
{
	return pause_session(cli, false, err);
}

int tl_cmd_extend(const struct tl_cli *cli, struct tl_err *err)
{
	tl_json *result = NULL;
	int64_t minutes = 0;
	int rc = 0;

	if (tl_str_i64(tl_cli_operand(cli, 1), 1, 720, &minutes) != 0)
		rc = tl_err_set(err, TL_EUSAGE, "MINUTES is a number from 1 to 720");
	if (rc == 0)
		rc = ask(cli, TL_CMD_CONSENT, "session.extend",
			 json_pack("{s:s, s:I}", "session", tl_cli_operand(cli, 0), "minutes",
				   (json_int_t)minutes),
			 &result, err);
	if (rc == 0)
		printf("The session may now last until %s.\n", text_of(result, "ends"));
	return rc;
}
