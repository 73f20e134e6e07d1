/* An emergency is told loudly: to everybody who is logged in, and to the log of authentications. */
#ifndef TOWLINE_HELPER_ALARM_H
#define TOWLINE_HELPER_ALARM_H

#include <towline/grant.h>

/* A session begins without anybody's consent (break-glass). Does not wait, and never fails: whatever cannot be
 * reached, the helper's own log has it. */
void tl_alarm_break_glass(const struct tl_grant *grant);

#endif
