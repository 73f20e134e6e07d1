#include "cli/api.h"
#include "cli/commands.h"
#include "cli/print.h"

#include "cli/recording.h"

#include <stdio.h>
#include <string.h>
#include <towline/id.h>

static const struct tl_column columns[] = {
	{"SESSION", "id", 0},	       {"TICKET", "ticket", 0},	      {"HOST", "host.name", 24},
	{"ENGINEER", "engineer", 20},  {"LANE", "lane", 0},	      {"STATE", "state", 0},
	{"REQUESTED", "requested", 0}, {"RECORDING", "recording", 0},
};

int tl_command_sessions(const struct tl_cli *cli, struct tl_err *err)
{
	tl_auto(tl_api) struct tl_api *api = NULL;
	tl_auto(tl_buf) struct tl_buf path = TL_BUF_INIT(128);
	const char *ticket = tl_cli_get(cli, "ticket");
	tl_json *items = NULL;
	int rc = tl_api_open(cli, &api, err);

	if (rc == 0 && ticket && !tl_str_is_name(ticket, 32))
		rc = tl_err_set(err, TL_EUSAGE, "\"%s\" is not a ticket number", ticket);
	if (rc)
		return rc;
	tl_buf_puts(&path, "/v1/sessions");
	if (ticket)
		tl_buf_printf(&path, "?ticket=%s", ticket);
	rc = tl_api_list(api, tl_buf_str(&path), &items, err);
	if (rc)
		return rc;
	if (tl_cli_has(cli, "json"))
		tl_print_json(stdout, items);
	else
		tl_print_table(stdout, items, columns, TL_ARRAY_LEN(columns), "No sessions.");
	return 0;
}

int tl_session_path(const char *session, const char *suffix, struct tl_buf *path,
		    struct tl_err *err)
{
	if (!tl_id_is_valid(session))
		return tl_err_set(err, TL_EUSAGE, "\"%s\" is not a session id (26 characters)",
				  session);
	tl_buf_printf(path, "/v1/sessions/%s/%s", session, suffix);
	return tl_buf_check(path);
}

/* What is asked of a running session, with a reason where one is given. */
static int ask(const struct tl_cli *cli, const char *what, const char *done, struct tl_err *err)
{
	tl_auto(tl_api) struct tl_api *api = NULL;
	tl_auto(tl_buf) struct tl_buf path = TL_BUF_INIT(128);
	tl_json *body = json_object();
	tl_json *reply = NULL;
	int rc = tl_session_path(tl_cli_operand(cli, 0), what, &path, err);

	if (tl_cli_has(cli, "reason"))
		json_object_set_new(body, "reason", json_string(tl_cli_get(cli, "reason")));
	if (rc == 0)
		rc = tl_api_open(cli, &api, err);
	if (rc == 0)
		rc = tl_api_post(api, tl_buf_str(&path), body, &reply, err);
	if (rc == 0)
		puts(done);
	return rc;
}

int tl_command_session_stop(const struct tl_cli *cli, struct tl_err *err)
{
	return ask(cli, "stop", "Asked to stop.", err);
}

int tl_command_session_pause(const struct tl_cli *cli, struct tl_err *err)
{
	return ask(cli, "pause", "Asked to pause.", err);
}

int tl_command_session_resume(const struct tl_cli *cli, struct tl_err *err)
{
	return ask(cli, "resume", "Asked to go on.", err);
}

int tl_command_session_note(const struct tl_cli *cli, struct tl_err *err)
{
	tl_auto(tl_api) struct tl_api *api = NULL;
	tl_auto(tl_buf) struct tl_buf path = TL_BUF_INIT(128);
	tl_json *body = json_pack("{s:s}", "text", tl_cli_operand(cli, 1));
	tl_json *reply = NULL;
	int rc = tl_session_path(tl_cli_operand(cli, 0), "note", &path, err);

	if (rc == 0 && !body)
		rc = tl_err_set(err, TL_EUSAGE, "the note must be UTF-8 text");
	if (rc == 0)
		rc = tl_api_open(cli, &api, err);
	if (rc == 0)
		rc = tl_api_post(api, tl_buf_str(&path), body, &reply, err);
	if (rc == 0)
		printf("Noted.\n");
	return rc;
}
