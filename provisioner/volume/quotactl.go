package volume

import (
	"errors"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Numbers and structures of linux/quota.h, linux/dqblk_xfs.h and linux/fs.h. XFS answers the calls of ext4, too.
const (
	projectType   = 2        // PRJQUOTA
	quotaState    = 0x5805   // Q_XGETQSTAT
	quotaGet      = 0x800007 // Q_GETQUOTA
	quotaSet      = 0x800008 // Q_SETQUOTA
	projectsCount = 1 << 4   // FS_QUOTA_PDQ_ACCT
	projectsLimit = 1 << 5   // FS_QUOTA_PDQ_ENFD
	quotaUnit     = 1024     // QIF_DQBLKSIZE: limits are in KiB, usage is in bytes
	limitsValid   = 1<<0 | 1<<2
	inherit       = 0x200 // FS_XFLAG_PROJINHERIT

	// These two have other values on MIPS, PowerPC and SPARC, for which frama is not made.
	attributesGet = 0x801c581f // FS_IOC_FSGETXATTR
	attributesSet = 0x401c5820 // FS_IOC_FSSETXATTR
)

// quota is what is kept of struct if_dqblk.
type quota struct {
	bytesLimit, bytes, filesLimit, files uint64
}

// diskQuota is struct if_dqblk.
type diskQuota struct {
	bytesHard, bytesSoft, bytes uint64
	filesHard, filesSoft, files uint64
	bytesTime, filesTime        uint64
	valid                       uint32
	_                           uint32
}

// fileAttributes is struct fsxattr.
type fileAttributes struct {
	flags, extentSize, extents, project, cowExtentSize uint32
	_                                                  [8]byte
}

// quotactl asks the file system that holds an open file, without its device: quotactl_fd(2), since Linux 5.14.
func quotactl(file *os.File, command uint32, id uint32, data unsafe.Pointer) error {
	_, _, errno := unix.Syscall6(unix.SYS_QUOTACTL_FD, file.Fd(), uintptr(command<<8|projectType), uintptr(id), uintptr(data), 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// projectLimits says whether the file system counts for projects and keeps their limits.
func projectLimits(file *os.File) (bool, error) {
	// struct fs_quota_stat: a byte of version, then 16 bits of flags. The rest is not needed.
	state := new([64]uint16)
	if err := quotactl(file, quotaState, 0, unsafe.Pointer(state)); err != nil {
		return false, err
	}
	const both = projectsCount | projectsLimit
	return state[1]&both == both, nil
}

// projectQuota reads limits and use; all zero for a project that there is not.
func projectQuota(file *os.File, id uint32) (quota, error) {
	var q diskQuota
	err := quotactl(file, quotaGet, id, unsafe.Pointer(&q))
	if errors.Is(err, unix.ENOENT) {
		return quota{}, nil // XFS knows only projects that were used
	}
	return quota{q.bytesHard * quotaUnit, q.bytes, q.filesHard, q.files}, err
}

// setProjectLimits sets hard limits; 0 is none. There are no soft ones: grace is a matter of plans, not of disks.
func setProjectLimits(file *os.File, id uint32, bytes, files uint64) error {
	q := diskQuota{bytesHard: bytes / quotaUnit, filesHard: files, valid: limitsValid}
	return quotactl(file, quotaSet, id, unsafe.Pointer(&q))
}

func attributesOf(file *os.File) (a fileAttributes, err error) {
	return a, ioctl(file, attributesGet, unsafe.Pointer(&a))
}

func setAttributes(file *os.File, a fileAttributes) error {
	return ioctl(file, attributesSet, unsafe.Pointer(&a))
}

func ioctl(file *os.File, request uintptr, data unsafe.Pointer) error {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, file.Fd(), request, uintptr(data))
	if errno != 0 {
		return errno
	}
	return nil
}
