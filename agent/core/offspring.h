/* Who descends from this program. As their subreaper (prctl(2)) it stays the ancestor of all that its
 * children started, however often that forked away or opened a session of its own. Main thread. */
#ifndef TOWLINE_AGENT_OFFSPRING_H
#define TOWLINE_AGENT_OFFSPRING_H

#include <stdbool.h>
#include <sys/types.h>
#include <towline/err.h>

struct tl_offspring {
	pid_t pid;
	pid_t top; /* the child of ours that it descends from, perhaps itself */
	pid_t sid; /* setsid(2) */
};

/* From here on orphans come back to us. */
TL_MUST_CHECK int tl_offspring_adopt(struct tl_err *err);
/* Calls `each` for every live descendant. */
void tl_offspring_walk(void (*each)(void *arg, const struct tl_offspring *offspring), void *arg);
/* Also true for a process that has gone already, since nobody can tell any more whose it was. */
bool tl_offspring_has(pid_t pid);

#endif
