/* /v1/audit: the trail as it would be exported, by way of an unlinked file, so that memory stays
 * bounded however long it is. */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "desk/desk.h"
#include "desk/handlers.h"
#include "desk/reply.h"
#include "store/audit.h"

static int export_to_file(struct tl_store *store, int *ret_fd, uint64_t *ret_size,
			  struct tl_err *err)
{
	FILE *file = tmpfile();
	struct stat status;
	int fd, r;

	if (!file)
		return tl_err_sys(err, TL_EIO, errno, "cannot make a temporary file");
	r = tl_audit_export(store, file, err);
	if (r == 0 && (fflush(file) || fstat(fileno(file), &status)))
		r = tl_err_sys(err, TL_EIO, errno, "cannot write the audit trail");
	fd = r == 0 ? dup(fileno(file)) : -1;
	fclose(file);
	if (r)
		return r;
	if (fd < 0)
		return tl_err_sys(err, TL_EIO, errno, "cannot open the audit trail");
	*ret_fd = fd;
	*ret_size = (uint64_t)status.st_size;
	return 0;
}

void tl_audit_show(struct tl_http_call *call)
{
	struct tl_err err = TL_ERR_INIT;
	uint64_t size = 0;
	int fd = -1;

	if (export_to_file(tl_desk_store(call), &fd, &size, &err))
		tl_reply_failure(call, NULL, &err);
	else
		tl_http_reply_file(call, "application/x-ndjson", fd, size, NULL);
}
