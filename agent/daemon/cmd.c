#include "daemon/cmd.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

int tl_cmd_config(const struct tl_cli *cli, struct tl_agent_config *ret_config, struct tl_err *err)
{
	return tl_agent_config_load(tl_cli_get(cli, "config"), ret_config, err);
}

/* While the helper is down its place may be taken by somebody else, whose questions would mean nothing
 * and whose silence would hide a session. */
static int check_helper(int fd, struct tl_err *err)
{
	struct ucred server;
	socklen_t len = sizeof(server);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &server, &len) != 0)
		return tl_err_sys(err, TL_EIO, errno, "cannot tell who answers as the helper");
	if (server.uid == 0 || server.uid == geteuid())
		return 0;
	return tl_err_set(err, TL_EACCES,
			  "who answers as the helper is another user (uid %u): ask this machine's "
			  "owner",
			  (unsigned)server.uid);
}

int tl_cmd_connect(const struct tl_cli *cli, enum tl_cmd_door door, int *ret_fd, struct tl_err *err)
{
	static const char *const names[] = {"agent.sock", "helper.sock", "consent.sock"};
	tl_auto(tl_agent_config) struct tl_agent_config config = {.profile = NULL};
	tl_auto(tl_buf) struct tl_buf path = TL_BUF_INIT(4096);
	tl_fd int fd = -1;
	int rc = tl_cmd_config(cli, &config, err);

	if (rc == 0)
		rc = tl_agent_socket_path(door == TL_CMD_AGENT ? config.run_dir : config.helper_dir,
					  names[door], &path, err);
	if (rc == 0)
		rc = tl_ipc_connect(tl_buf_str(&path), &fd, err);
	if (rc == 0 && door != TL_CMD_AGENT)
		rc = check_helper(fd, err);
	if (rc == 0)
		*ret_fd = tl_steal_fd(&fd);
	return rc;
}

void tl_cmd_print_json(const json_t *json)
{
	json_dumpf(json, stdout, JSON_COMPACT | JSON_SORT_KEYS);
	putchar('\n');
}

void tl_cmd_print_text(const char *text)
{
	tl_auto(tl_buf) struct tl_buf printable = TL_BUF_INIT(65536);

	if (text)
		tl_str_printable(&printable, text, strlen(text));
	fputs(text ? tl_buf_str(&printable) : "-", stdout);
}

void tl_cmd_size(int64_t bytes, char text[static 32])
{
	static const char *const units[] = {"KB", "MB", "GB", "TB"};
	double value = (double)bytes / 1024;
	size_t unit = 0;

	if (bytes < 1024) {
		snprintf(text, 32, "%lld bytes", (long long)bytes);
		return;
	}
	while (value >= 1024 && unit + 1 < TL_ARRAY_LEN(units)) {
		value /= 1024;
		unit++;
	}
	snprintf(text, 32, "%.1f %s", value, units[unit]);
}

void tl_cmd_ask(const char *question, char *ret_answer, size_t capacity)
{
	printf("%s", question);
	fflush(stdout);
	ret_answer[0] = '\0';
	if (!fgets(ret_answer, (int)capacity, stdin)) {
		ret_answer[0] = '\0';
		putchar('\n');
	}
	ret_answer[strcspn(ret_answer, "\r\n")] = '\0';
}

bool tl_cmd_confirm(const char *question)
{
	char answer[16];

	tl_cmd_ask(question, answer, sizeof(answer));
	return strcasecmp(answer, "y") == 0 || strcasecmp(answer, "yes") == 0;
}
