/* `towline connect`, ssh's ProxyCommand, and `towline session request`, the same in words. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <time.h>
#include <towline/program.h>

#include "cli/ask.h"
#include "cli/commands.h"
#include "cli/door.h"
#include "cli/print.h"

#define POLL_MS 300

/* ---- connect ----------------------------------------------------------------------------------- */

struct stretch {
	char target[TL_ID_LEN + 8], hosts[2 * PATH_MAX + 64];
	struct tl_front_door door;
};

/* OpenSSH itself carries the bytes, as it would with -J: by the engineer's own key, past the same host key. */
static int stretch_by_ssh(const struct stretch *stretch, const struct tl_cli *cli,
			  struct tl_err *err)
{
	const char *config = tl_cli_get(cli, "ssh-config"), *key = tl_cli_get(cli, "key");
	const char *argv[24] = {"ssh",
				"-W",
				stretch->target,
				"-p",
				stretch->door.port,
				"-o",
				stretch->hosts,
				"-o",
				"UserKnownHostsFile=/dev/null",
				"-o",
				"StrictHostKeyChecking=yes"};
	size_t count = 11;

	if (config) {
		argv[count++] = "-F";
		argv[count++] = config;
	}
	if (key) {
		argv[count++] = "-i";
		argv[count++] = key;
	}
	argv[count] = stretch->door.host;
	execvp(argv[0], (char *const *)(uintptr_t)argv);
	return tl_err_sys(err, TL_ENOENT, errno, "cannot run ssh");
}

int tl_command_connect(const struct tl_cli *cli, struct tl_err *err)
{
	tl_auto(tl_api) struct tl_api *api = NULL;
	struct tl_session_wish wish;
	struct stretch stretch;
	tl_json *session = NULL;
	tl_free char *path = NULL;
	char command[PATH_MAX];
	int rc = tl_session_wish_read(cli, &wish, err);

	if (rc == 0)
		rc = tl_api_open(cli, &api, err);
	if (rc == 0)
		rc = tl_front_door_read(tl_api_profile(api), &stretch.door, err);
	if (rc == 0)
		rc = tl_profile_path(cli, &path, err);
	if (rc == 0)
		rc = tl_program_path("towline", command, err);
	if (rc == 0)
		rc = tl_session_wish_ask(api, &wish, &session, err);
	if (rc != 0)
		return rc;
	snprintf(stretch.target, sizeof stretch.target, "%s:22",
		 json_string_value(json_object_get(session, "id")));
	snprintf(stretch.hosts, sizeof stretch.hosts,
		 "KnownHostsCommand=%s --config %s known-hosts %%H", command, path);
	return stretch_by_ssh(&stretch, cli, err);
}

/* ---- session request --------------------------------------------------------------------------- */

static bool is_open_question(const json_t *session)
{
	return tl_streq(json_string_value(json_object_get(session, "state")), "requested");
}

/* Until somebody at the host has answered, or the time to is over: the relay ends it then. */
static int wait_for_answer(struct tl_api *api, json_t **session, struct tl_err *err)
{
	const struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
	char path[64];
	int rc = 0;

	snprintf(path, sizeof path, "/v1/sessions/%s",
		 json_string_value(json_object_get(*session, "id")));
	while (rc == 0 && is_open_question(*session)) {
		tl_json *now = NULL;

		nanosleep(&pause, NULL);
		rc = tl_api_get(api, path, &now, err);
		if (rc == 0) {
			json_decref(*session);
			*session = tl_steal(&now);
		}
	}
	return rc;
}

static const char *text_of(const json_t *session, const char *name)
{
	const char *text = json_string_value(json_object_get(session, name));

	return text ? text : "";
}

static void print_outcome(const json_t *session)
{
	static const struct tl_column fields[] = {{"Session", "id", 0},	    {"Ticket", "ticket", 0},
						  {"Host", "host.name", 0}, {"Lane", "lane", 0},
						  {"Signed", "signed", 0},  {"State", "state", 0},
						  {"Reason", "reason", 0}};

	tl_print_fields(stdout, session, fields, TL_ARRAY_LEN(fields));
	if (tl_streq(text_of(session, "lane"), "bastion"))
		printf("Connect before %s: ssh -l %s RELAY\n", text_of(session, "expires"),
		       text_of(session, "id"));
	else
		printf("Connect before %s: ssh -J towline-relay HOST\n",
		       text_of(session, "expires"));
}

int tl_command_session_request(const struct tl_cli *cli, struct tl_err *err)
{
	tl_auto(tl_api) struct tl_api *api = NULL;
	struct tl_session_wish wish;
	tl_json *session = NULL;
	int rc = tl_session_wish_read(cli, &wish, err);

	wish.must_sign = !tl_cli_has(cli, "unsigned");
	if (rc == 0)
		rc = tl_api_open(cli, &api, err);
	if (rc == 0)
		rc = tl_session_wish_ask(api, &wish, &session, err);
	/* In the bastion lane the host is asked when the connection is there. */
	if (rc == 0 && wish.lane == TL_LANE_END_TO_END && !tl_cli_has(cli, "no-wait"))
		rc = wait_for_answer(api, &session, err);
	if (rc != 0)
		return rc;
	if (tl_cli_has(cli, "json"))
		tl_print_json(stdout, session);
	else
		print_outcome(session);
	if (tl_streq(text_of(session, "state"), "refused") ||
	    tl_streq(text_of(session, "state"), "ended"))
		return tl_err_set(err, TL_EDENIED, "the session is %s: %s",
				  text_of(session, "state"), text_of(session, "reason"));
	return 0;
}
