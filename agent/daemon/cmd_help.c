/* towline-agent get-help: what is wrong, what would be sent, yes, and the number. */
#include <stdint.h>
#include <stdio.h>
#include <strings.h>
#include <time.h>
#include <towline/clock.h>

#include "daemon/cmd.h"
#include "daemon/cmd_help_show.h"
#include "daemon/queue.h"

#define COLLECT_TIMEOUT_MS (65 * 60 * 1000) /* beyond the longest collect.timeout */
#define CALL_TIMEOUT_MS 30000
#define POLL_MS 200
#define ONLINE_WAIT_MS 15000 /* how long a ticket number is waited for when nothing moves */

struct request {
	const struct tl_cli *cli;
	int fd;
	char summary[TL_ITEM_SUMMARY_MAX + 1];
	char help_id[TL_ID_LEN + 1];
	json_t *prepared;
	json_t *exclude; /* what the person left out, besides the options */
	char relay[600];
	bool json;
};

static void request_clear(struct request *request)
{
	json_decref(request->prepared);
	json_decref(request->exclude);
	if (request->fd >= 0)
		close(request->fd);
}

static int take_summary(struct request *request, struct tl_err *err)
{
	const char *given = tl_cli_operand(request->cli, 0);

	if (given && strlen(given) > TL_ITEM_SUMMARY_MAX)
		return tl_err_set(err, TL_EUSAGE,
				  "the summary is longer than %d bytes: say it shorter",
				  TL_ITEM_SUMMARY_MAX);
	if (given)
		snprintf(request->summary, sizeof(request->summary), "%s", given);
	else if (isatty(STDIN_FILENO))
		tl_cmd_ask("What is wrong? ", request->summary, sizeof(request->summary));
	if (request->summary[strspn(request->summary, " \t")] == '\0')
		return tl_err_set(err, TL_EUSAGE, "say in a few words what is wrong");
	return 0;
}

static int call(struct request *request, const char *verb, json_t *args, int timeout_ms,
		json_t **ret_result, struct tl_err *err)
{
	tl_auto(tl_ipc_message) struct tl_ipc_message answer = TL_IPC_MESSAGE_INIT;
	tl_json *owned = args;
	int rc = tl_ipc_call(request->fd, verb, owned, NULL, 0, timeout_ms, &answer, err);

	if (rc == 0)
		*ret_result = json_incref(answer.json);
	return rc;
}

static int ask_relay(struct request *request, struct tl_err *err)
{
	tl_json *status = NULL;
	int rc = call(request, "status", NULL, CALL_TIMEOUT_MS, &status, err);

	if (rc == 0)
		snprintf(request->relay, sizeof(request->relay), "%s",
			 json_string_value(json_object_get(status, "relay")));
	return rc;
}

static void set_list(const struct request *request, const char *option, json_t *args)
{
	json_t *list = json_array();
	const char *value;

	for (size_t i = 0; (value = tl_cli_get_nth(request->cli, option, i)); i++)
		json_array_append_new(list, json_string(value));
	if (tl_streq(option, "exclude"))
		json_array_extend(list, request->exclude);
	json_object_set_new(args, option, list);
}

static int make_args(const struct request *request, json_t **ret_args, struct tl_err *err)
{
	static const char *const options[] = {"profile", "since", "until",
					      "around",	 "boot",  "level"};
	tl_json *args = json_pack("{s:s}", "summary", request->summary);

	for (size_t i = 0; i < TL_ARRAY_LEN(options); i++) {
		const char *value = tl_cli_get(request->cli, options[i]);

		if (value && json_object_set_new(args, options[i], json_string(value)) < 0)
			return tl_err_set(err, TL_EUSAGE, "--%s is no UTF-8 text", options[i]);
	}
	set_list(request, "exclude", args);
	set_list(request, "include", args);
	*ret_args = tl_steal(&args);
	return 0;
}

static int prepare(struct request *request, struct tl_err *err)
{
	json_t *args = NULL;
	const char *id;
	int rc = make_args(request, &args, err);

	if (rc != 0)
		return rc;
	if (!request->json)
		printf("Looking at this machine. Nothing is sent yet.\n");
	json_decref(tl_steal(&request->prepared));
	rc = call(request, "help.prepare", args, COLLECT_TIMEOUT_MS, &request->prepared, err);
	if (rc != 0)
		return rc;
	id = json_string_value(json_object_get(request->prepared, "help_id"));
	if (!id || !tl_id_is_valid(id))
		return tl_err_set(err, TL_EPROTO, "the agent gave no valid reference");
	snprintf(request->help_id, sizeof(request->help_id), "%s", id);
	return 0;
}

static void show(const struct request *request)
{
	cmd_help_show(json_object_get(request->prepared, "bundle"), request->relay,
		      request->summary);
}

static void discard(struct request *request)
{
	tl_json *result = NULL;

	if (call(request, "help.discard", json_pack("{s:s}", "help_id", request->help_id),
		 CALL_TIMEOUT_MS, &result, NULL) != 0)
		return; /* the agent throws it away by itself after a while */
}

/* The bundle itself, as it would be sent, in the hands of who is asked. */
static void look_into(struct request *request, const char *what,
		      int (*show_part)(int fd, const char *what, struct tl_err *err))
{
	tl_auto(tl_ipc_message) struct tl_ipc_message answer = TL_IPC_MESSAGE_INIT;
	tl_json *args = json_pack("{s:s}", "help_id", request->help_id);
	struct tl_err err = TL_ERR_INIT;
	int rc = tl_ipc_call(request->fd, "help.show", args, NULL, 0, CALL_TIMEOUT_MS, &answer,
			     &err);

	if (rc == 0 && answer.fd_count != 1)
		rc = tl_err_set(&err, TL_EPROTO, "the agent did not hand over the bundle");
	if (rc == 0)
		rc = show_part(answer.fds[0], what, &err);
	if (rc != 0)
		fprintf(stderr, "towline-agent: %s\n", tl_err_text(&err));
}

/* Everything is looked at anew, without the file: what is left out must not rest anywhere. */
static int leave_out(struct request *request, const char *path, struct tl_err *err)
{
	if (!strchr(path, '/')) {
		fprintf(stderr,
			"towline-agent: %s is the bundle's own and always in it, or no file\n",
			path);
		return 0;
	}
	if (!request->exclude)
		request->exclude = json_array();
	if (json_array_append_new(request->exclude, json_string(path)) < 0)
		return tl_err_set(err, TL_EUSAGE, "the file's name is no UTF-8 text");
	discard(request);
	return prepare(request, err);
}

/* Until the answer is yes or no. Further answers show what would be sent, or leave parts of it out. */
static int confirm(struct request *request, bool *ret_yes, struct tl_err *err)
{
	char answer[1200];
	int rc = 0;

	while (rc == 0) {
		const char *word = answer;

		tl_cmd_ask("Send this? [y/N, l lists every file, s FILE shows one, x FILE leaves "
			   "one out, r RULE shows what became of such lines] ",
			   answer, sizeof(answer));
		if (tl_streq(word, "l") || tl_streq(word, "list")) {
			cmd_help_show_files(json_object_get(request->prepared, "bundle"), SIZE_MAX);
		} else if (tl_str_starts(word, "s ") && word[2]) {
			look_into(request, word + 2, cmd_help_show_member);
		} else if (tl_str_starts(word, "r ") && word[2]) {
			look_into(request, word + 2, cmd_help_show_rule);
		} else if (tl_str_starts(word, "x ") && word[2]) {
			rc = leave_out(request, word + 2, err);
			if (rc == 0)
				show(request);
		} else {
			*ret_yes = strcasecmp(word, "y") == 0 || strcasecmp(word, "yes") == 0;
			return 0;
		}
	}
	return rc;
}

static int agree(struct request *request, struct tl_err *err)
{
	bool yes = tl_cli_has(request->cli, "yes");
	int rc = 0;

	if (!yes && request->json) {
		discard(request);
		return tl_err_set(err, TL_EUSAGE, "--json asks nothing: it needs --yes");
	}
	if (!request->json)
		show(request);
	if (!yes)
		rc = confirm(request, &yes, err);
	if (rc != 0 || yes)
		return rc;
	discard(request);
	return tl_err_set(err, TL_ECANCELED, "nothing was sent; the bundle is thrown away");
}

static void nap(void)
{
	nanosleep(&(struct timespec){.tv_nsec = POLL_MS * 1000000L}, NULL);
}

static bool is_state(const json_t *status, const char *state)
{
	return tl_streq(json_string_value(json_object_get(status, "state")), state);
}

static void show_progress(const json_t *status, const char **shown_ticket, int64_t *shown_sent)
{
	int64_t sent = json_integer_value(json_object_get(status, "sent"));
	int64_t size = json_integer_value(json_object_get(status, "size"));
	const char *ticket = json_string_value(json_object_get(status, "ticket"));

	if (ticket && !*shown_ticket) {
		printf("Your ticket is ");
		tl_cmd_print_text(ticket);
		printf(".\n");
		*shown_ticket = "shown";
	}
	if (sent != *shown_sent && sent > 0 && size > 0)
		printf("Sent %lld %%.\n", (long long)(sent * 100 / size));
	*shown_sent = sent;
	fflush(stdout);
}

/* Until it is done or failed, or nothing has moved for a while: then it stays queued. */
static int follow(struct request *request, json_t **ret_status, struct tl_err *err)
{
	const struct tl_clock *clock = tl_clock_system();
	int64_t moved_ms = tl_clock_mono_ms(clock), shown_sent = 0, last_sent = -1;
	const char *shown_ticket = NULL;

	for (;;) {
		tl_json *status = NULL;
		int64_t sent;
		int rc = call(request, "help.status",
			      json_pack("{s:s}", "help_id", request->help_id), CALL_TIMEOUT_MS,
			      &status, err);

		if (rc != 0)
			return rc;
		sent = json_integer_value(json_object_get(status, "sent"));
		if (!request->json)
			show_progress(status, &shown_ticket, &shown_sent);
		if (sent != last_sent)
			moved_ms = tl_clock_mono_ms(clock);
		last_sent = sent;
		if (is_state(status, "done") || is_state(status, "failed") ||
		    tl_cli_has(request->cli, "no-wait") ||
		    tl_clock_mono_ms(clock) - moved_ms > ONLINE_WAIT_MS) {
			*ret_status = tl_steal(&status);
			return 0;
		}
		nap();
	}
}

static int conclude(const struct request *request, json_t *status, struct tl_err *err)
{
	const char *text = json_string_value(json_object_get(status, "text"));

	if (request->json) {
		json_object_set_new(status, "help_id", json_string(request->help_id));
		tl_cmd_print_json(status);
	}
	if (is_state(status, "failed"))
		return tl_err_set(err, TL_EDENIED, "the relay did not take it: %s",
				  text ? text : "it gives no reason");
	if (request->json)
		return 0;
	if (is_state(status, "done")) {
		printf("Everything has arrived. Your reference is %s.\n", request->help_id);
	} else {
		printf("It is queued and will be sent as soon as the relay can be reached. "
		       "Your reference is %s.\n",
		       request->help_id);
		if (text) {
			printf("At present: ");
			tl_cmd_print_text(text);
			putchar('\n');
		}
	}
	return 0;
}

int tl_cmd_get_help(const struct tl_cli *cli, struct tl_err *err)
{
	tl_cleanup(request_clear) struct request request = {.cli = cli, .fd = -1};
	tl_json *submitted = NULL, *status = NULL;
	int rc;

	request.json = tl_cli_has(cli, "json");
	rc = take_summary(&request, err);
	if (rc == 0)
		rc = tl_cmd_connect(cli, TL_CMD_AGENT, &request.fd, err);
	if (rc == 0)
		rc = ask_relay(&request, err);
	if (rc == 0)
		rc = prepare(&request, err);
	if (rc == 0)
		rc = agree(&request, err);
	if (rc == 0)
		rc = call(&request, "help.submit", json_pack("{s:s}", "help_id", request.help_id),
			  CALL_TIMEOUT_MS, &submitted, err);
	if (rc == 0)
		rc = follow(&request, &status, err);
	return rc == 0 ? conclude(&request, status, err) : rc;
}
