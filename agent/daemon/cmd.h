/* The commands of towline-agent: one file a command or family, and what they share. */
#ifndef TOWLINE_AGENT_CMD_H
#define TOWLINE_AGENT_CMD_H

#include <towline/cli.h>
#include <towline/ipc.h>

#include "core/config.h"

/* Each is a row of the table in daemon/main.c. */
int tl_cmd_check_config(const struct tl_cli *cli, struct tl_err *err);
int tl_cmd_collector(const struct tl_cli *cli, struct tl_err *err); /* profile …, analyzers … */
int tl_cmd_collect(const struct tl_cli *cli, struct tl_err *err);
int tl_cmd_consent(const struct tl_cli *cli, struct tl_err *err);
int tl_cmd_enroll(const struct tl_cli *cli, struct tl_err *err);
int tl_cmd_get_help(const struct tl_cli *cli, struct tl_err *err);
int tl_cmd_diff(const struct tl_cli *cli, struct tl_err *err);
int tl_cmd_inspect(const struct tl_cli *cli, struct tl_err *err);
int tl_cmd_health(const struct tl_cli *cli, struct tl_err *err);
int tl_cmd_extend(const struct tl_cli *cli, struct tl_err *err);
int tl_cmd_pause(const struct tl_cli *cli, struct tl_err *err);
int tl_cmd_redact(const struct tl_cli *cli, struct tl_err *err);
int tl_cmd_resume(const struct tl_cli *cli, struct tl_err *err);
int tl_cmd_reveal(const struct tl_cli *cli, struct tl_err *err);
int tl_cmd_run(const struct tl_cli *cli, struct tl_err *err);
int tl_cmd_sessions(const struct tl_cli *cli, struct tl_err *err);
int tl_cmd_status(const struct tl_cli *cli, struct tl_err *err);
int tl_cmd_stop(const struct tl_cli *cli, struct tl_err *err);

/* The configuration that --config names, or the default one. */
TL_MUST_CHECK int tl_cmd_config(const struct tl_cli *cli, struct tl_agent_config *ret_config,
				struct tl_err *err);

enum tl_cmd_door { TL_CMD_AGENT, TL_CMD_HELPER, TL_CMD_CONSENT };
/* Connects to agent.sock, helper.sock or consent.sock. */
TL_MUST_CHECK int tl_cmd_connect(const struct tl_cli *cli, enum tl_cmd_door door, int *ret_fd,
				 struct tl_err *err);

/* One line of JSON on stdout. */
void tl_cmd_print_json(const json_t *json);
/* Text from outside, printable, "-" for NULL. No newline. */
void tl_cmd_print_text(const char *text);
/* "12.3 MB" */
void tl_cmd_size(int64_t bytes, char text[static 32]);
/* Reads a line from the terminal; "" at its end. */
void tl_cmd_ask(const char *question, char *ret_answer, size_t capacity);
/* Asks; only "y" or "yes" is yes. */
bool tl_cmd_confirm(const char *question);

#endif
