//! Settings by name and text, as C, Python and a command line give them.

use super::{LocalNet, LocalNetConfig, LocalStorage, LocalTransport};
use crate::node::NodeError;
use crate::sim::{HOUR_MS, Link, Setting, SettingError, SettingKind, find_setting};

impl LocalNetConfig {
    /// The settings beside the number of masternodes and the seed; those of links come first.
    pub const SETTINGS: &'static [Setting] = &[
        Link::SETTINGS[0],
        Link::SETTINGS[1],
        Link::SETTINGS[2],
        Link::SETTINGS[3],
        Link::SETTINGS[4],
        Setting::count("observers", "0 to 100", 0, 100),
        Setting::new("storage", SettingKind::Text, "memory, temporary or the path of a directory"),
        Setting::new("transport", SettingKind::Text, "memory or tcp"),
        Setting::duration("round_timeout", "1ms to 1h", 1, HOUR_MS),
        Setting::count("wallets", "1 to 1000", 1, 1_000),
        Setting::count("coins_per_wallet", "1 to 1000", 1, 1_000),
        Setting::count("epoch_blocks", "1 to 1000000", 1, 1_000_000),
        Setting::duration("block_interval", "1ms to 1h", 1, HOUR_MS),
        Setting::new("shared_verification_cache", SettingKind::Truth, "true or false"),
        Setting::new("encode_messages", SettingKind::Truth, "true or false"),
        Setting::new("sync_writes", SettingKind::Truth, "true or false"),
        Setting::duration("submit_timeout", "1ms to 1h", 1, HOUR_MS),
    ];

    /// Sets one of [`LocalNetConfig::SETTINGS`] from its text.
    ///
    /// ```
    /// use timecoin_core::localnet::LocalNetConfig;
    /// let mut config = LocalNetConfig::new(4, 7);
    /// config.set("block_interval", "200ms").unwrap();
    /// assert!(config.set("wallets", "0").is_err());
    /// ```
    ///
    /// # Errors
    /// [`SettingError`].
    pub fn set(&mut self, name: &str, text: &str) -> Result<(), SettingError> {
        let setting = find_setting(Self::SETTINGS, name)?;
        match setting.name {
            "observers" => self.observers = setting.read_count(text)?,
            "storage" => {
                self.storage = match text {
                    "" => return Err(setting.refuse(text, setting.range)),
                    "memory" => LocalStorage::Memory,
                    "temporary" => LocalStorage::TemporaryDirectory,
                    path => LocalStorage::Directory(path.into()),
                }
            }
            "transport" => {
                self.transport = match text {
                    "memory" => LocalTransport::Memory,
                    "tcp" => LocalTransport::Tcp,
                    _ => return Err(setting.refuse(text, setting.range)),
                }
            }
            "round_timeout" => self.round_timeout = setting.read_duration(text)?,
            "wallets" => self.wallets = setting.read_count(text)?,
            "coins_per_wallet" => self.coins_per_wallet = setting.read_count(text)?,
            "epoch_blocks" => self.epoch_blocks = setting.read_count(text)?,
            "block_interval" => self.block_interval = setting.read_duration(text)?,
            "shared_verification_cache" => {
                self.shared_verification_cache = setting.read_truth(text)?;
            }
            "encode_messages" => self.encode_messages = setting.read_truth(text)?,
            "sync_writes" => self.sync_writes = setting.read_truth(text)?,
            "submit_timeout" => self.submit_timeout = setting.read_duration(text)?,
            _ => self.link.set(name, text)?,
        }
        Ok(())
    }
}

impl LocalNet {
    /// Sets how links behave from names and texts ([`Link::SETTINGS`]): one direction of one
    /// link, or all that have no behaviour of their own. What is not named is as when the net
    /// was started.
    ///
    /// # Errors
    /// [`NodeError::InvalidArgument`] where there is no such node; [`NodeError::Setting`].
    pub fn set_link_texts<'t>(
        &self,
        between: Option<(usize, usize)>,
        settings: impl IntoIterator<Item = (&'t str, &'t str)>,
    ) -> Result<(), NodeError> {
        let mut link = self.config().link.clone();
        settings.into_iter().try_for_each(|(name, text)| link.set(name, text))?;
        match between {
            Some((from, to)) => self.set_link(from, to, link),
            None => {
                self.set_links(link);
                Ok(())
            }
        }
    }
}
