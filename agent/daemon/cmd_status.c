/* towline-agent status, sessions, stop */
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
	if (offset_ms > 5000 || offset_ms < -5000)
		printf("%-12sthis machine's clock differs from the relay's by %lld s\n", "clock",
		       (long long)(offset_ms / 1000));
	return 0;
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
