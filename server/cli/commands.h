/* The commands of `towline`, a file for each subject; the table is in main.c. */
#ifndef TOWLINE_SERVER_CLI_COMMANDS_H
#define TOWLINE_SERVER_CLI_COMMANDS_H

#include <towline/cli.h>

int tl_command_login(const struct tl_cli *cli, struct tl_err *err);
int tl_command_whoami(const struct tl_cli *cli, struct tl_err *err);

int tl_command_totp_enrol(const struct tl_cli *cli, struct tl_err *err);

int tl_command_tickets(const struct tl_cli *cli, struct tl_err *err);
int tl_command_ticket_show(const struct tl_cli *cli, struct tl_err *err);
int tl_command_ticket_note(const struct tl_cli *cli, struct tl_err *err);

int tl_command_hosts(const struct tl_cli *cli, struct tl_err *err);
int tl_command_host_show(const struct tl_cli *cli, struct tl_err *err);

int tl_command_bundle_get(const struct tl_cli *cli, struct tl_err *err);
int tl_command_bundle_inspect(const struct tl_cli *cli, struct tl_err *err);
int tl_command_bundle_extract(const struct tl_cli *cli, struct tl_err *err);
int tl_command_bundle_diff(const struct tl_cli *cli, struct tl_err *err);
/* The exit status of the program, when the command ended with `failed`: a search that found nothing and
 * snapshots that differ are told apart from success. */
int tl_command_bundle_status(int failed);

int tl_command_connect(const struct tl_cli *cli, struct tl_err *err);
int tl_command_session_request(const struct tl_cli *cli, struct tl_err *err);

int tl_command_roster_init(const struct tl_cli *cli, struct tl_err *err);
int tl_command_roster_add(const struct tl_cli *cli, struct tl_err *err);
int tl_command_roster_remove(const struct tl_cli *cli, struct tl_err *err);
int tl_command_roster_sign(const struct tl_cli *cli, struct tl_err *err);
int tl_command_roster_verify(const struct tl_cli *cli, struct tl_err *err);
int tl_command_roster_publish(const struct tl_cli *cli, struct tl_err *err);

int tl_command_forward(const struct tl_cli *cli, struct tl_err *err);

int tl_command_sessions(const struct tl_cli *cli, struct tl_err *err);
int tl_command_session_stop(const struct tl_cli *cli, struct tl_err *err);
int tl_command_session_get(const struct tl_cli *cli, struct tl_err *err);
int tl_command_session_verify(const struct tl_cli *cli, struct tl_err *err);
int tl_command_session_pause(const struct tl_cli *cli, struct tl_err *err);
int tl_command_session_resume(const struct tl_cli *cli, struct tl_err *err);
int tl_command_session_watch(const struct tl_cli *cli, struct tl_err *err);
int tl_command_session_join(const struct tl_cli *cli, struct tl_err *err);
int tl_command_session_note(const struct tl_cli *cli, struct tl_err *err);
int tl_command_session_export(const struct tl_cli *cli, struct tl_err *err);
int tl_command_session_search(const struct tl_cli *cli, struct tl_err *err);
int tl_command_session_replay(const struct tl_cli *cli, struct tl_err *err);

int tl_command_ssh_config(const struct tl_cli *cli, struct tl_err *err);
int tl_command_known_hosts(const struct tl_cli *cli, struct tl_err *err);

#endif
