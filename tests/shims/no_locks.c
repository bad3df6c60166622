/* A file system without a lock daemon: every lock fails with the number in NO_LOCKS. */
#include <errno.h>
#include <stdlib.h>

int flock(int file, int operation) {
    (void)file;
    (void)operation;
    errno = atoi(getenv("NO_LOCKS"));
    return -1;
}
