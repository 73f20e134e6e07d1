/* Recordings fetched, played, exported and searched. */
#include "cli/recording.h"
#include "cli/commands.h"
#include "cli/print.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <towline/id.h>
#include <towline/record.h>

/* Pauses in a recording are shortened to this on replay. */
#define REPLAY_PAUSE_MAX_S 2.0

static int fetch(const struct tl_cli *cli, const char *session, FILE *file, struct tl_err *err)
{
	tl_auto(tl_api) struct tl_api *api = NULL;
	tl_auto(tl_buf) struct tl_buf path = TL_BUF_INIT(128);
	int rc = tl_session_path(session, "recording", &path, err);

	if (rc == 0)
		rc = tl_api_open(cli, &api, err);
	if (rc == 0)
		rc = tl_api_download(api, tl_buf_str(&path), fileno(file), err);
	rewind(file);
	return rc;
}

int tl_recording_open(const struct tl_cli *cli, const char *operand, FILE **ret_file,
		      struct tl_err *err)
{
	bool is_session = tl_id_is_valid(operand);
	FILE *file = is_session ? tmpfile() : fopen(operand, "re");
	int rc = 0;

	if (!file)
		return tl_err_sys(err, TL_EIO, errno, "cannot open the recording %s", operand);
	if (is_session)
		rc = fetch(cli, operand, file, err);
	if (rc == 0)
		*ret_file = file;
	else
		fclose(file);
	return rc;
}

int tl_recording_proof(const struct tl_cli *cli, const char *session, json_t **ret_proof,
		       struct tl_err *err)
{
	tl_auto(tl_api) struct tl_api *api = NULL;
	tl_auto(tl_buf) struct tl_buf path = TL_BUF_INIT(128);
	int rc = tl_session_path(session, "proof", &path, err);

	if (rc == 0)
		rc = tl_api_open(cli, &api, err);
	if (rc == 0)
		rc = tl_api_get(api, tl_buf_str(&path), ret_proof, err);
	if (rc == 0 && !json_is_object(*ret_proof))
		rc = tl_err_set(err, TL_EPROTO, "the relay's proof is no object");
	return rc;
}

/* ---- get and export --------------------------------------------------------------------------- */

static int open_output(const char *name, FILE **ret_out, struct tl_err *err)
{
	FILE *out = name ? fopen(name, "we") : stdout;

	if (!out)
		return tl_err_sys(err, TL_EIO, errno, "cannot write %s", name);
	*ret_out = out;
	return 0;
}

static int close_output(FILE *out, const char *name, int rc, struct tl_err *err)
{
	if ((out == stdout ? fflush(out) : fclose(out)) != 0 && rc == 0)
		rc = tl_err_sys(err, TL_EIO, errno, "cannot write %s",
				name ? name : "the recording");
	return rc;
}

static int copy_file(FILE *in, FILE *out, struct tl_err *err)
{
	char piece[16384];
	size_t got;

	while ((got = fread(piece, 1, sizeof piece, in)) > 0)
		if (fwrite(piece, 1, got, out) != got)
			return tl_err_sys(err, TL_EIO, errno, "cannot write the recording");
	return 0;
}

static int save_proof(const struct tl_cli *cli, const char *name, struct tl_err *err)
{
	tl_json *proof = NULL;
	FILE *out = NULL;
	int rc = tl_id_is_valid(tl_cli_operand(cli, 0))
			 ? tl_recording_proof(cli, tl_cli_operand(cli, 0), &proof, err)
			 : tl_err_set(err, TL_EUSAGE, "--proof needs a session, not a file");

	if (rc == 0)
		rc = open_output(name, &out, err);
	if (rc)
		return rc;
	tl_print_json(out, proof);
	return close_output(out, name, 0, err);
}

int tl_command_session_get(const struct tl_cli *cli, struct tl_err *err)
{
	const char *name = tl_cli_get(cli, "output");
	FILE *in = NULL, *out = NULL;
	int rc = tl_cli_has(cli, "proof") ? save_proof(cli, tl_cli_get(cli, "proof"), err) : 0;

	if (rc == 0)
		rc = tl_recording_open(cli, tl_cli_operand(cli, 0), &in, err);
	if (rc)
		return rc;
	rc = open_output(name, &out, err);
	if (rc == 0)
		rc = close_output(out, name, copy_file(in, out, err), err);
	fclose(in);
	return rc;
}

void tl_print_offset(FILE *out, double seconds)
{
	long long ms = seconds > 0 && seconds < 1e9 ? (long long)(seconds * 1000 + 0.5) : 0;

	fprintf(out, "%lld:%02lld:%02lld.%03lld", ms / 3600000, ms / 60000 % 60, ms / 1000 % 60,
		ms % 1000);
}

static int write_words(void *arg, const struct tl_record_words *words)
{
	FILE *out = arg;

	tl_print_offset(out, words->at);
	fprintf(out, "  %u  ", words->channel);
	if (!tl_streq(words->kind, "output"))
		fprintf(out, "[%s] ", words->kind);
	fprintf(out, "%s\n", words->text);
	return ferror(out) ? TL_EIO : 0;
}

static int export(const char *format, unsigned channel, FILE *in, FILE *out, struct tl_err *err)
{
	int rc;

	if (tl_streq(format, "asciicast"))
		return tl_record_export(in, channel, out, err);
	rc = tl_record_read_text(in, channel, write_words, out, err);
	return rc == TL_EIO ? tl_err_sys(err, rc, errno, "cannot write the recording") : rc;
}

int tl_command_session_export(const struct tl_cli *cli, struct tl_err *err)
{
	const char *name = tl_cli_get(cli, "output"), *format = tl_cli_get(cli, "format");
	const char *number = tl_cli_get(cli, "channel");
	int64_t channel = 0;
	FILE *in = NULL, *out = NULL;
	int rc = 0;

	format = format ? format : "asciicast";
	if (!tl_streq(format, "asciicast") && !tl_streq(format, "text"))
		rc = tl_err_set(err, TL_EUSAGE, "--format takes asciicast or text");
	else if (number && tl_str_i64(number, 1, UINT32_MAX, &channel) != 0)
		rc = tl_err_set(err, TL_EUSAGE, "--channel takes a channel's number, from 1");
	if (rc == 0)
		rc = tl_recording_open(cli, tl_cli_operand(cli, 0), &in, err);
	if (rc)
		return rc;
	rc = open_output(name, &out, err);
	if (rc == 0)
		rc = close_output(out, name, export(format, (unsigned)channel, in, out, err), err);
	fclose(in);
	return rc;
}

/* ---- search ----------------------------------------------------------------------------------- */

struct search {
	const char *wanted, *session;
	bool any_case;
	unsigned found;
};

static int match(void *arg, const struct tl_record_words *words)
{
	struct search *search = arg;

	if (!(search->any_case ? strcasestr(words->text, search->wanted)
			       : strstr(words->text, search->wanted)))
		return 0;
	search->found++;
	printf("%s  ", search->session);
	return write_words(stdout, words);
}

static int search_one(const struct tl_cli *cli, const char *operand, struct search *search,
		      struct tl_err *err)
{
	FILE *in = NULL;
	int rc = tl_recording_open(cli, operand, &in, err);

	if (rc)
		return rc;
	search->session = operand;
	rc = tl_record_read_text(in, 0, match, search, err);
	fclose(in);
	return rc;
}

/* All recordings of a ticket, oldest first. */
static int search_ticket(const struct tl_cli *cli, const char *ticket, struct search *search,
			 struct tl_err *err)
{
	tl_auto(tl_api) struct tl_api *api = NULL;
	tl_auto(tl_buf) struct tl_buf path = TL_BUF_INIT(128);
	tl_json *items = NULL;
	int rc = tl_api_open(cli, &api, err);

	tl_buf_printf(&path, "/v1/sessions?ticket=%s", ticket);
	if (rc == 0)
		rc = tl_api_list(api, tl_buf_str(&path), &items, err);
	for (size_t i = json_array_size(items); rc == 0 && i-- > 0;) {
		const json_t *item = json_array_get(items, i);
		const char *id = json_string_value(json_object_get(item, "id"));

		if (id && json_is_true(json_object_get(item, "recording")))
			rc = search_one(cli, id, search, err);
	}
	return rc;
}

static bool is_ticket(const char *text)
{
	return tl_str_is_name(text, 32) && (text[0] == 'T' || text[0] == 't') && text[1] == '-';
}

int tl_command_session_search(const struct tl_cli *cli, struct tl_err *err)
{
	const char *where = tl_cli_operand(cli, 0);
	struct search search = {.wanted = tl_cli_operand(cli, 1),
				.any_case = tl_cli_has(cli, "ignore-case")};
	int rc;

	if (!search.wanted[0])
		return tl_err_set(err, TL_EUSAGE, "search for what?");
	rc = is_ticket(where) ? search_ticket(cli, where, &search, err)
			      : search_one(cli, where, &search, err);
	if (rc == 0 && search.found == 0)
		return tl_err_set(err, TL_ENOENT, "no recording of %s has \"%s\"", where,
				  search.wanted);
	return rc;
}

/* ---- replay ----------------------------------------------------------------------------------- */

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
	int rc = tl_recording_open(cli, tl_cli_operand(cli, 0), &in, err);

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
