/* A disk that takes longer to sync: preloaded, so that every sync of a program waits for SLOW_SYNC_MS more. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

static int slowly(const char *name, int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    int result = real(fd);
    const char *text = getenv("SLOW_SYNC_MS");
    long ms = text ? strtol(text, NULL, 10) : 0;
    struct timespec wait = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&wait, NULL);
    return result;
}

int fdatasync(int fd) { return slowly("fdatasync", fd); }
int fsync(int fd) { return slowly("fsync", fd); }
