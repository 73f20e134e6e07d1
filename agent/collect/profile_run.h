/* Carries out the commands "profile …" (profile_command.h). Private to agent/collect. */
#ifndef TOWLINE_COLLECT_PROFILE_RUN_H
#define TOWLINE_COLLECT_PROFILE_RUN_H

#include <towline/cli.h>

int profile_lint(const struct tl_cli *cli, struct tl_err *err);
int profile_list(const struct tl_cli *cli, struct tl_err *err);
int profile_show(const struct tl_cli *cli, struct tl_err *err);

#endif
