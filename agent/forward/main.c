/* towline-forward: connects or listens for a session, as the session's account. towline-helper starts it with
 * a socket as standard input, which has the request; the answer goes back with the descriptor. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <towline/forward.h>
#include <towline/ipc.h>
#include <towline/program.h>

#include "forward/forward.h"

#define LIFE_S 60 /* of a connection or a listener in the making: then the kernel's alarm ends it */

struct request {
	const char *goal, *host;
	int64_t port;
	json_t *allow;
};

static const struct tl_json_member members[] = {
	{"allow", TL_JSON_ARRAY, false, offsetof(struct request, allow), 0, 2},
	{"goal", TL_JSON_NAME, true, offsetof(struct request, goal), 0, 16},
	{"host", TL_JSON_TEXT, false, offsetof(struct request, host), 0, TL_FORWARD_HOST_MAX + 1},
	{"port", TL_JSON_INT, false, offsetof(struct request, port), 0, 65535},
};

static int answer(json_t *json, int fd, struct tl_err *err)
{
	tl_json *owned = json;

	if (!owned)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	return tl_ipc_send(STDIN_FILENO, owned, fd >= 0 ? &fd : NULL, fd >= 0 ? 1 : 0, err);
}

static int read_list(const json_t *array, struct tl_strv *list, struct tl_err *err)
{
	const json_t *item;
	size_t i;

	json_array_foreach(array, i, item)
	{
		const char *text = json_string_value(item);
		int rc = text ? tl_strv_push(list, text) : TL_EINVAL;

		if (rc != 0)
			return tl_err_set(err, rc, "a place to forward to is no text");
	}
	return tl_forward_check_all(list, err);
}

static int run_connect(const struct request *request, struct tl_err *err)
{
	struct tl_strv lists[2] = {TL_STRV_INIT, TL_STRV_INIT};
	char address[INET6_ADDRSTRLEN] = "";
	tl_fd int fd = -1;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < 2; i++)
		rc = read_list(json_array_get(request->allow, i), &lists[i], err);
	if (rc == 0)
		rc = tl_forward_connect(request->host, (unsigned)request->port, lists, &fd, address,
					err);
	if (rc == 0)
		rc = answer(json_pack("{s:s, s:I}", "address", address, "port",
				      (json_int_t)request->port),
			    fd, err);
	for (size_t i = 0; i < 2; i++)
		tl_strv_clear(&lists[i]);
	return rc;
}

static int run_listen(const struct request *request, struct tl_err *err)
{
	tl_fd int fd = -1;
	unsigned port = 0;
	int rc = tl_forward_listen(request->host, (unsigned)request->port, &fd, &port, err);

	if (rc == 0)
		rc = answer(json_pack("{s:s, s:I}", "address", request->host, "port",
				      (json_int_t)port),
			    fd, err);
	return rc;
}

static void on_signal(int number)
{
	(void)number; /* it has ended the wait */
}

/* Until the session's program closes its end, or the helper ends the session. */
static void wait_for_end(void)
{
	struct pollfd item = {.fd = STDIN_FILENO, .events = POLLIN};
	struct sigaction action = {.sa_handler = on_signal};
	sigset_t blocked, open;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGHUP);
	sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_BLOCK, &blocked, &open);
	sigaction(SIGHUP, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	(void)ppoll(&item, 1, NULL, &open);
}

static int run_agent(struct tl_err *err)
{
	struct tl_forward_agent agent;
	int rc = tl_forward_agent_open(&agent, err);

	if (rc != 0)
		return rc;
	rc = answer(json_pack("{s:s}", "path", agent.path), agent.fd, err);
	if (rc == 0) {
		alarm(0);
		wait_for_end();
	}
	tl_forward_agent_close(&agent);
	return rc;
}

static int run(struct tl_err *err)
{
	tl_auto(tl_ipc_message) struct tl_ipc_message message = TL_IPC_MESSAGE_INIT;
	struct request request = {.goal = NULL};
	int rc = tl_ipc_receive(STDIN_FILENO, &message, err);

	if (rc == 0)
		rc = tl_json_read(message.json, members, TL_ARRAY_LEN(members), &request, err);
	if (rc != 0)
		return rc;
	if (tl_streq(request.goal, "agent"))
		return run_agent(err);
	if (request.host && tl_streq(request.goal, "connect"))
		return run_connect(&request, err);
	if (request.host && tl_streq(request.goal, "listen"))
		return run_listen(&request, err);
	return tl_err_set(err, TL_EUNSUPPORTED, "the goal is none of connect, listen, agent");
}

int main(void)
{
	struct tl_err err = TL_ERR_INIT;
	int rc;

	tl_program_no_core();
	signal(SIGPIPE, SIG_IGN);
	alarm(LIFE_S);
	rc = run(&err);
	if (rc != 0 && answer(json_pack("{s:s}", "error", tl_err_text(&err)), -1, NULL) != 0)
		return tl_err_exit_status(TL_EUSAGE); /* nobody reads: it was started by hand */
	return tl_err_exit_status(rc);
}
