/* towline-agent status, sessions, stop, collect */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <towline/clock.h>
#include <towline/fs.h>
#include <towline/id.h>
#include <towline/program.h>

#include "daemon/cmd.h"

#define CALL_TIMEOUT_MS 15000

extern char **environ;

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

/* ---- collect: without relay, daemon and helper ------------------------------------------------ */

static int start_collector(int input_fd, int bundle_fd, int output_fd, pid_t *ret_pid,
			   struct tl_err *err)
{
	char *const argv[] = {(char *)(uintptr_t) "towline-collect", NULL};
	posix_spawn_file_actions_t actions;
	char path[PATH_MAX];
	int high = fcntl(bundle_fd, F_DUPFD_CLOEXEC, 16);
	int rc = tl_program_path("towline-collect", path, err);

	if (rc == 0) {
		posix_spawn_file_actions_init(&actions);
		posix_spawn_file_actions_adddup2(&actions, input_fd, STDIN_FILENO);
		posix_spawn_file_actions_adddup2(&actions, output_fd, STDOUT_FILENO);
		posix_spawn_file_actions_adddup2(&actions, high, 3);
		posix_spawn_file_actions_addclosefrom_np(&actions, 4);
		rc = posix_spawn(ret_pid, path, &actions, NULL, argv, environ);
		posix_spawn_file_actions_destroy(&actions);
		if (rc != 0)
			rc = tl_err_sys(err, TL_EIO, rc, "the collector cannot be started");
	}
	if (high >= 0)
		close(high);
	return rc;
}

static int read_result(int fd, json_t **ret_result)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(8 * 1024 * 1024);
	char bytes[16384];
	const char *last;
	ssize_t got;

	while ((got = read(fd, bytes, sizeof(bytes))) > 0)
		tl_buf_append(&text, bytes, (size_t)got);
	while (text.len > 0 && text.data[text.len - 1] == '\n')
		text.data[--text.len] = '\0';
	last = strrchr(tl_buf_str(&text), '\n');
	last = last ? last + 1 : tl_buf_str(&text);
	return tl_json_parse(last, strlen(last), ret_result, NULL);
}

static int run_collector(const char *profile, int bundle_fd, json_t **ret_result,
			 struct tl_err *err)
{
	struct tl_id id = tl_id_new(tl_clock_system());
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(8192);
	tl_json *request = json_pack("{s:s, s:s, s:s, s:s, s:s}", "help_id", id.text, "summary",
				     "collected by hand", "profile", profile, "agent_version",
				     TOWLINE_VERSION, "host", "");
	int input[2], output[2], status, rc;
	pid_t pid;

	if (pipe2(input, O_CLOEXEC) != 0 || pipe2(output, O_CLOEXEC) != 0)
		return tl_err_sys(err, TL_EIO, errno, "the collector cannot be started");
	tl_json_write(&text, request);
	tl_buf_putc(&text, '\n');
	rc = start_collector(input[0], bundle_fd, output[1], &pid, err);
	close(input[0]);
	close(output[1]);
	if (rc == 0 && tl_fs_write_all(input[1], text.data, text.len, NULL) != 0)
		kill(pid, SIGTERM);
	close(input[1]);
	if (rc == 0) {
		rc = read_result(output[0], ret_result);
		waitpid(pid, &status, 0);
		if (rc != 0 || !text_of(*ret_result, "sha256")) {
			const char *why = text_of(*ret_result, "text");

			rc = tl_err_set(err, TL_EIO, "the collector made no bundle: %s",
					why ? why : "it gives no reason");
		}
	}
	close(output[0]);
	return rc;
}

int tl_cmd_collect(const struct tl_cli *cli, struct tl_err *err)
{
	tl_auto(tl_agent_config) struct tl_agent_config config = {.profile = NULL};
	const char *profile = tl_cli_get(cli, "profile");
	char path[PATH_MAX], size[32];
	tl_json *result = NULL;
	tl_fd int fd = -1;
	int rc = tl_cmd_config(cli, &config, err);

	if (rc != 0)
		return rc;
	if (tl_cli_get(cli, "output"))
		snprintf(path, sizeof(path), "%s", tl_cli_get(cli, "output"));
	else
		snprintf(path, sizeof(path), "towline-%s.tar.zst",
			 tl_id_new(tl_clock_system()).text);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return tl_err_sys(err, TL_EIO, errno, "%s cannot be made", path);
	rc = run_collector(profile ? profile : config.profile, fd, &result, err);
	if (rc != 0) {
		unlink(path);
		return rc;
	}
	if (tl_cli_has(cli, "json")) {
		json_object_set_new(result, "file", json_string(path));
		tl_cmd_print_json(result);
		return 0;
	}
	tl_cmd_size(json_integer_value(json_object_get(result, "size")), size);
	printf("%s: %zu files, %s, SHA-256 %s. Nothing was sent.\n", path,
	       json_array_size(json_object_get(result, "files")), size, text_of(result, "sha256"));
	return 0;
}
