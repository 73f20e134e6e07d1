#include "cli/api.h"
#include "cli/commands.h"
#include "cli/print.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <towline/id.h>
#include <towline/record.h>

/* Pauses in a recording are shortened to this on replay. */
#define REPLAY_PAUSE_MAX_S 2.0

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

static int session_path(const char *session, const char *suffix, struct tl_buf *path,
			struct tl_err *err)
{
	if (!tl_id_is_valid(session))
		return tl_err_set(err, TL_EUSAGE, "\"%s\" is not a session id (26 characters)",
				  session);
	tl_buf_printf(path, "/v1/sessions/%s/%s", session, suffix);
	return tl_buf_check(path);
}

int tl_command_session_stop(const struct tl_cli *cli, struct tl_err *err)
{
	tl_auto(tl_api) struct tl_api *api = NULL;
	tl_auto(tl_buf) struct tl_buf path = TL_BUF_INIT(128);
	tl_json *body = json_object();
	tl_json *reply = NULL;
	int rc = session_path(tl_cli_operand(cli, 0), "stop", &path, err);

	if (tl_cli_has(cli, "reason"))
		json_object_set_new(body, "reason", json_string(tl_cli_get(cli, "reason")));
	if (rc == 0)
		rc = tl_api_open(cli, &api, err);
	if (rc == 0)
		rc = tl_api_post(api, tl_buf_str(&path), body, &reply, err);
	if (rc == 0)
		printf("Asked to stop.\n");
	return rc;
}

/* The recording named on the command line: a file, or a session's, fetched into a temporary file.
 */
static int open_recording(const struct tl_cli *cli, FILE **ret_file, struct tl_err *err)
{
	tl_auto(tl_api) struct tl_api *api = NULL;
	tl_auto(tl_buf) struct tl_buf path = TL_BUF_INIT(128);
	const char *operand = tl_cli_operand(cli, 0);
	FILE *file = tl_id_is_valid(operand) ? tmpfile() : fopen(operand, "re");
	int rc = 0;

	if (!file)
		return tl_err_sys(err, TL_EIO, errno, "cannot open the recording %s", operand);
	if (tl_id_is_valid(operand)) {
		rc = session_path(operand, "recording", &path, err);
		if (rc == 0)
			rc = tl_api_open(cli, &api, err);
		if (rc == 0)
			rc = tl_api_download(api, tl_buf_str(&path), fileno(file), err);
		rewind(file);
	}
	if (rc == 0)
		*ret_file = file;
	else
		fclose(file);
	return rc;
}

static int copy_file(FILE *in, FILE *out, struct tl_err *err)
{
	char piece[16384];
	size_t got;

	while ((got = fread(piece, 1, sizeof piece, in)) > 0)
		if (fwrite(piece, 1, got, out) != got)
			return tl_err_sys(err, TL_EIO, errno, "cannot write the recording");
	return fflush(out) == 0 ? 0 : tl_err_sys(err, TL_EIO, errno, "cannot write the recording");
}

int tl_command_session_get(const struct tl_cli *cli, struct tl_err *err)
{
	const char *name = tl_cli_get(cli, "output");
	FILE *in = NULL;
	FILE *out = stdout;
	int rc = open_recording(cli, &in, err);

	if (rc)
		return rc;
	if (name && !(out = fopen(name, "we"))) {
		rc = tl_err_sys(err, TL_EIO, errno, "cannot write %s", name);
		fclose(in);
		return rc;
	}
	rc = tl_cli_has(cli, "asciicast") ? tl_record_export(in, 0, out, err)
					  : copy_file(in, out, err);
	if (out != stdout && fclose(out) != 0 && rc == 0)
		rc = tl_err_sys(err, TL_EIO, errno, "cannot write %s", name);
	fclose(in);
	return rc;
}

int tl_command_session_verify(const struct tl_cli *cli, struct tl_err *err)
{
	struct tl_record_facts facts = {0};
	FILE *in = NULL;
	int rc = open_recording(cli, &in, err);

	if (rc)
		return rc;
	rc = tl_record_verify(in, NULL, &facts, err);
	fclose(in);
	if (rc)
		return rc;
	printf("The hash chain holds: %" PRIu64 " lines, %" PRIu64 " bytes of output, %.1f s.\n",
	       facts.lines, facts.output_bytes, facts.seconds);
	return 0;
}

static void wait_seconds(double seconds)
{
	struct timespec pause;

	if (seconds <= 0)
		return;
	if (seconds > REPLAY_PAUSE_MAX_S)
		seconds = REPLAY_PAUSE_MAX_S;
	pause.tv_sec = (time_t)seconds;
	pause.tv_nsec = (long)((seconds - (double)pause.tv_sec) * 1e9);
	nanosleep(&pause, NULL);
}

/* Plays an asciicast v2 stream: [seconds, "o", data] events after the header. */
static void play(FILE *cast, bool at_once)
{
	double last = 0;
	char *line = NULL;
	size_t room = 0;
	ssize_t len;

	while ((len = getline(&line, &room, cast)) > 0) {
		tl_json *event = NULL;

		if (tl_json_parse(line, (size_t)len, &event, NULL) != 0 || !json_is_array(event))
			continue;
		if (!tl_streq(json_string_value(json_array_get(event, 1)), "o"))
			continue;
		if (!at_once) {
			double at = json_number_value(json_array_get(event, 0));

			wait_seconds(at - last);
			last = at;
		}
		fwrite(json_string_value(json_array_get(event, 2)), 1,
		       json_string_length(json_array_get(event, 2)), stdout);
		fflush(stdout);
	}
	free(line);
}

int tl_command_session_replay(const struct tl_cli *cli, struct tl_err *err)
{
	FILE *in = NULL;
	FILE *cast;
	int rc = open_recording(cli, &in, err);

	if (rc)
		return rc;
	cast = tmpfile();
	if (!cast) {
		fclose(in);
		return tl_err_sys(err, TL_EIO, errno, "cannot make a temporary file");
	}
	rc = tl_record_export(in, 0, cast, err);
	rewind(cast);
	if (rc == 0)
		play(cast, tl_cli_has(cli, "no-wait"));
	fclose(cast);
	fclose(in);
	return rc;
}
