/* What "collect" shows to the person: progress on a terminal, and what came of it. Private to
 * agent/daemon. */
#ifndef TOWLINE_AGENT_CMD_COLLECT_H
#define TOWLINE_AGENT_CMD_COLLECT_H

#include <stdbool.h>
#include <stdio.h>
#include <towline/json.h>

struct collect_view {
	FILE *out;     /* where words go: not where the bundle goes */
	bool json;     /* events and the result as lines of JSON */
	bool terminal; /* a line that moves */
	bool shown;    /* it stands there now */
	char current[200];
};

/* One line of the collector's progress (docs/protocol.md). */
void collect_view_progress(struct collect_view *view, json_t *progress);
/* Takes the moving line away. */
void collect_view_clear(struct collect_view *view);
/* `file`: where the bundle is; NULL: on standard output. */
void collect_view_result(struct collect_view *view, json_t *result, const char *file, int64_t ms);
/* What would be taken. */
void collect_view_plan(struct collect_view *view, json_t *result);

#endif
