/* The command "redact" over a text: standard input or a file to standard output. */
#ifndef TOWLINE_REDACT_FILTER_H
#define TOWLINE_REDACT_FILTER_H

#include <towline/cli.h>

/* A row's `run`. */
int redact_filter(const struct tl_cli *cli, struct tl_err *err);

#endif
