/* Locks the process before it looks at a hostile bundle. */
#ifndef TOWLINE_INTAKE_LOCK_H
#define TOWLINE_INTAKE_LOCK_H

#include <towline/attr.h>
#include <towline/err.h>

#define INTAKE_MEMORY_MAX (768u * 1024u * 1024u) /* zstd's largest window is 128 MiB, an index 32 */
#define INTAKE_CPU_S 600

/* Limits memory, time and descriptors; from then on only reading, writing, memory and leaving are
 * allowed: any other system call ends the process. */
TL_MUST_CHECK int intake_lock(struct tl_err *err);

#endif
