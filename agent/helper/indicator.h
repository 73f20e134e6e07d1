/* The signs of an open session that nobody here has to look for: a file that says who is in, and a line on
 * every terminal that somebody is logged in at. Loop thread only. */
#ifndef TOWLINE_HELPER_INDICATOR_H
#define TOWLINE_HELPER_INDICATOR_H

struct tl_helper;
struct tl_session;

#define TL_INDICATOR_FILE "sessions.json" /* beside the sockets, readable by all */

/* Writes the file anew: {"sessions":[…]}, those that are open. */
void tl_indicator_update(struct tl_helper *helper);
/* The same, and one line on the terminals, where policy's sessions.announce says so. */
void tl_indicator_announce(struct tl_session *session, const char *what);

/* Writes the line to each terminal that utmp (NULL: the system's) has a login at. Returns to how many. A
 * terminal that cannot take it at once does without. */
unsigned tl_indicator_wall(const char *utmp, const char *line);

#endif
