/* Compiler attributes and the clean-up idiom that every file uses.
 *
 *     tl_auto(tl_buf) struct tl_buf buf = TL_BUF_INIT(4096);   // cleared at scope end
 *     tl_free char *name = strdup(x);                          // free()d at scope end
 *     tl_fd int fd = open(...);                                // closed at scope end when >= 0
 *     *ret_name = tl_steal(&name);                             // handed over, not freed
 *
 * A type `T` takes part in tl_auto(T) once TL_DEFINE_AUTO(T, expression) has been given in its header. */
#ifndef TOWLINE_ATTR_H
#define TOWLINE_ATTR_H

#include <stdlib.h>
#include <unistd.h>

#define TL_MUST_CHECK __attribute__((warn_unused_result))
#define TL_PRINTF(format_index, args_index) \
	__attribute__((format(printf, format_index, args_index)))
#define TL_UNUSED __attribute__((unused))

#define TL_ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))

/* Recovers the object that embeds `member`, from a pointer to that member. */
#define tl_container_of(pointer, type, member) \
	((type *)((char *)(pointer) - __builtin_offsetof(type, member)))

#define tl_cleanup(function) __attribute__((cleanup(function)))
#define tl_auto(type) tl_cleanup(type##_auto_)
#define tl_free tl_cleanup(tl_free_auto_)
#define tl_fd tl_cleanup(tl_fd_auto_)

/* Takes the value out of *pointer and leaves 0 (NULL) behind. For descriptors use tl_steal_fd. */
#define tl_steal(pointer) \
	({ \
		__auto_type tl_steal_p_ = (pointer); \
		__auto_type tl_steal_v_ = *tl_steal_p_; \
		*tl_steal_p_ = 0; \
		tl_steal_v_; \
	})

/* Defines the clean-up of a variable of pointer type `struct NAME *`: calls `free_function(p)`,
 * which must accept NULL. */
#define TL_DEFINE_AUTO_PTR(name, free_function) \
	static inline void name##_auto_(struct name **pointer) \
	{ \
		free_function(*pointer); \
	} \
	struct name

/* Defines the clean-up of an embedded object `struct NAME`: calls `clear_function(&object)`. */
#define TL_DEFINE_AUTO(name, clear_function) \
	static inline void name##_auto_(struct name *object) \
	{ \
		clear_function(object); \
	} \
	struct name

static inline void tl_free_auto_(void *pointer)
{
	free(*(void **)pointer);
}

static inline void tl_fd_auto_(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/* Takes the descriptor out of *fd and leaves -1 behind. */
static inline int tl_steal_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

#endif
