/* Carries out "towline-agent analyzers …". Private to agent/collect. */
#ifndef TOWLINE_COLLECT_ANALYZERS_RUN_H
#define TOWLINE_COLLECT_ANALYZERS_RUN_H

#include <towline/cli.h>

int analyzers_lint(const struct tl_cli *cli, struct tl_err *err);
int analyzers_list(const struct tl_cli *cli, struct tl_err *err);

#endif
