/* What a collecting process may do beyond its account: as the helper starts it, it has a few of root's
 * capabilities (docs/security-model.md), and passes them to the programs it runs. Private to
 * agent/collect. */
#ifndef TOWLINE_COLLECT_RIGHTS_H
#define TOWLINE_COLLECT_RIGHTS_H

#include <stdbool.h>

/* True when this process has more than reading to give: rows that need it get processes of their own. */
bool rights_have_more(void);
/* True as root, and with any of root's capabilities. */
bool rights_are_special(void);
/* Gives up for ever, in a collecting process, all but the right to read; `all`: keeps what there is. As
 * root itself nothing is given up: programs would get it back. */
void rights_keep(bool all);

#endif
