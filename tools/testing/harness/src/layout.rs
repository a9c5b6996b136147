// SPDX-License-Identifier: GPL-2.0
//! Where things are: what the harness takes, and where it leaves its results.

use std::env;
use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{ensure, Context, Result};
use rustix::fs::{flock, FlockOperation};

use crate::kernels::Kernels;

/// One of the two machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The endpoint.
    Ep,
    /// The root complex.
    Rc,
}

impl Side {
    /// The short name, which is also part of file names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ep => "ep",
            Self::Rc => "rc",
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ep => "EP",
            Self::Rc => "RC",
        })
    }
}

/// What a machine runs: kernel, user space, modules. The names are those of the side that has it as a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Image {
    /// arm64, and a kernel with the endpoint framework. It also has all that a driver of the RC takes.
    Ep,
    /// x86-64, and the stock Debian kernel.
    Rc,
}

impl Image {
    fn name(self) -> &'static str {
        match self {
            Self::Ep => "ep",
            Self::Rc => "rc",
        }
    }
}

/// The directories of the tree and of the cache.
#[derive(Clone, Debug)]
pub struct Layout {
    tree: PathBuf,
    cache: PathBuf,
    build: PathBuf,
    run: PathBuf,
    kernels: Kernels,
}

impl Layout {
    /// Takes the directories which tools/build/enter.sh puts into the environment. `build` has the
    /// modules and takes the results; build/ in the tree unless given.
    pub fn from_environment(build: Option<PathBuf>, kernels: Kernels) -> Result<Self> {
        let directory = |name| {
            env::var_os(name).map(PathBuf::from).with_context(|| {
                format!("{name} is not set; start this through tools/build/enter.sh")
            })
        };
        let tree = directory("TOP")?;
        let build = build.unwrap_or_else(|| tree.join("build"));
        Ok(Self {
            run: build.join("run"),
            build,
            tree,
            cache: directory("CACHE")?,
            kernels,
        })
    }

    /// The root of the tree.
    pub fn tree(&self) -> &Path {
        &self.tree
    }

    /// Which kernels the machines run.
    pub fn kernels(&self) -> Kernels {
        self.kernels
    }

    /// The kernel of an image.
    pub fn kernel(&self, image: Image) -> Result<PathBuf> {
        existing(self.directory(image).join("kernel"), self.kernels.remedy())
    }

    /// The archive with its user space.
    pub fn initramfs(&self, image: Image) -> Result<PathBuf> {
        existing(
            self.directory(image).join("initramfs"),
            self.kernels.remedy(),
        )
    }

    /// The same user space, unpacked.
    pub fn root(&self, image: Image) -> Result<PathBuf> {
        existing(self.directory(image).join("root"), self.kernels.remedy())
    }

    /// Where tools/build/modules.sh leaves the modules.
    pub fn modules(&self, image: Image) -> PathBuf {
        self.build.join(self.suffixed(image))
    }

    /// The emulator, which cargo puts beside the harness.
    pub fn emulator(&self) -> Result<PathBuf> {
        beside_the_harness("epc-emulator")
    }

    /// The programs of the project that run on it.
    pub fn programs(&self, image: Image) -> Result<Vec<PathBuf>> {
        match image {
            Image::Ep => Ok(Vec::new()),
            Image::Rc => ["attacker", "suspender", "vdpa-client"]
                .map(beside_the_harness)
                .into_iter()
                .collect(),
        }
    }

    /// A directory for sockets and logs of the machines; made when missing.
    pub fn run(&self) -> Result<PathBuf> {
        made(self.run.clone())
    }

    /// The same with another such directory, in this one: for a machine that there is already.
    pub fn for_another(&self, name: &str) -> Self {
        Self {
            run: self.run.join(name),
            ..self.clone()
        }
    }

    /// Takes the directory for sockets and logs for this process alone, as long as the returned file
    /// is open.
    pub fn lock(&self) -> Result<File> {
        let path = self.run()?.join("lock");
        let file =
            File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
        flock(&file, FlockOperation::NonBlockingLockExclusive).with_context(|| {
            let build = self.build.display();
            format!("another run uses {build}; wait for its end, or name another directory with --build")
        })?;
        Ok(file)
    }

    /// A directory for the results of the tests; made when missing.
    pub fn results(&self) -> Result<PathBuf> {
        made(self.build.join(format!("test{}", self.kernels.suffix())))
    }

    /// A directory for the results of the demonstration; made when missing.
    pub fn demo(&self) -> Result<PathBuf> {
        made(self.build.join("demo"))
    }

    /// A directory for what is measured; made when missing.
    pub fn bench(&self) -> Result<PathBuf> {
        made(self.build.join("bench"))
    }

    fn directory(&self, image: Image) -> PathBuf {
        self.cache.join(format!("{}-image", self.suffixed(image)))
    }

    /// An image with its kernel, as the scripts in tools/build name it.
    fn suffixed(&self, image: Image) -> String {
        format!("{}{}", image.name(), self.kernels.suffix())
    }
}

fn beside_the_harness(program: &str) -> Result<PathBuf> {
    let path = env::current_exe()?.with_file_name(program);
    existing(path, "tools/build/host.sh build")
}

fn existing(path: PathBuf, remedy: &str) -> Result<PathBuf> {
    ensure!(
        path.exists(),
        "{} is missing; run '{remedy}' first",
        path.display()
    );
    Ok(path)
}

fn made(path: PathBuf) -> Result<PathBuf> {
    fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
    Ok(path)
}
