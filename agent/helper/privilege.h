/* What a helper that runs as root keeps of root's rights: reading, owning terminals, changing account,
 * signalling. The bounding set stays: a session whose user policy says is root is root. */
#ifndef TOWLINE_HELPER_PRIVILEGE_H
#define TOWLINE_HELPER_PRIVILEGE_H

#include <towline/err.h>

/* Nothing to do unless root. Also makes the process undumpable. */
TL_MUST_CHECK int tl_privilege_drop(struct tl_err *err);

#endif
