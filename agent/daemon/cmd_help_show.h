/* What get-help shows of a prepared bundle. Private to agent/daemon. */
#ifndef TOWLINE_AGENT_CMD_HELP_SHOW_H
#define TOWLINE_AGENT_CMD_HELP_SHOW_H

#include <towline/attr.h>
#include <towline/err.h>
#include <towline/json.h>

/* `bundle` is the collector's result (docs/protocol.md). */
void cmd_help_show(const json_t *bundle, const char *relay, const char *summary);
/* Its files with their sizes, the first `shown` of them. */
void cmd_help_show_files(const json_t *bundle, size_t shown);
/* Prints one member of the bundle open at `fd`, or some lines from which `rule` took something: by
 * towline-bundle. */
TL_MUST_CHECK int cmd_help_show_member(int fd, const char *path, struct tl_err *err);
TL_MUST_CHECK int cmd_help_show_rule(int fd, const char *rule, struct tl_err *err);

#endif
